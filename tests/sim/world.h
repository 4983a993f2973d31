// One run: an engine, its store, its clock and its lease, devices, and the network between them,
// all moved by one seed. In each step something happens somewhere; what happens in which order is
// the dice's to say. In the end all trouble stops, everybody pushes and pulls, and what then stands
// is checked against PROTOCOL §5 and §10. What sockets are told is checked at once, against §6.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "answer_log.h"
#include "device.h"
#include "dice.h"
#include "edits.h"
#include "journal.h"
#include "knobs.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/engine.h"
#include "sim_store.h"
#include "socket.h"

namespace mana_sync::sim {

struct RunOptions {
  bool print_trace = false;
  // Knobs that are set, whatever the seed says.
  std::vector<std::pair<std::string, int64_t>> knobs;
};

// What came to pass, in one run or in several.
struct RunCounts {
  size_t edits = 0;
  size_t answers = 0;
  size_t conflicts = 0;
  size_t corrections = 0;
  size_t restated = 0;  // corrections that were stored
  size_t notices = 0;   // that sockets were told
  size_t compared_cells = 0;
  size_t exempt_cells = 0;  // of them: differ, and may (PROTOCOL 5.10)

  RunCounts& operator+=(const RunCounts& other);
};

struct RunResult {
  uint64_t seed = 0;
  std::optional<std::string> failure;
  uint64_t trace_hash = 0;
  std::string knobs;
  RunCounts counts{};
};

[[nodiscard]] RunResult run_world(uint64_t seed, const RunOptions& options = {});

class World {
 public:
  World(uint64_t seed, const RunOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  RunResult run();

 private:
  // A request on its way.
  struct Request {
    enum class State { kToServer, kAtServer, kToDevice };
    State state = State::kToServer;
    size_t id = 0;
    size_t device = 0;
    bool abandoned = false;  // nobody waits for its answer any more
    DeviceRequest what;
    AnsweredRequest checked;  // what is known of it for the checks
    std::optional<WireAnswer> answer;
  };

  // Trouble and work, until the steps are used up.
  void step();
  void pass_time();
  void make_trouble();
  void act(size_t device);
  void move_sockets();
  void end_tick();
  void deliver_any(Request::State state);

  // A request's way.
  void send(size_t device, DeviceRequest what);
  void arrive(Request& request);
  void on_engine_answer(size_t id, Result<GatheredText> result);
  void return_answer(size_t id);
  void abandon(size_t device);
  void forget(size_t id);
  [[nodiscard]] Request* find(size_t id);
  void acknowledge(Request& request);

  // The server.
  void start_server();
  void crash_server();
  void renew_lease();
  void set_server_skew();
  void push_poison();

  // Everything settles (world_settle.cpp).
  void settle();
  void settle_requests();
  void everybody_pushes();
  void everybody_pulls();
  void sockets_catch_up();
  void check(RunCounts& counts);

  [[nodiscard]] bool per_mille(int64_t knob) { return dice_.between(0, 999) < knob; }
  [[nodiscard]] bool is_in_flight(size_t device) const;

  const uint64_t seed_;
  Dice dice_;
  Dice socket_dice_;
  Knobs knobs_;
  Journal journal_;
  ManualClock clock_;
  int64_t true_us_;
  int64_t server_skew_us_ = 0;
  int64_t floor_us_ = 0;
  int64_t high_water_us_ = 0;
  int64_t lapsed_steps_ = 0;
  SimStore store_;
  Sockets sockets_;
  EditLog edits_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<int64_t> offline_until_us_;  // of each device
  std::vector<std::unique_ptr<Request>> requests_;
  size_t next_request_id_ = 1;
  size_t next_client_ = 0;
  size_t poison_pushes_ = 0;
  AnswerLog answers_;
  std::vector<int64_t> acknowledged_us_;  // the newest stamp of each stream that was answered
  bool settling_ = false;
  // Before what it uses: it goes first.
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<sync::Engine> engine_;
};

}  // namespace mana_sync::sim
