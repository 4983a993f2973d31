// Devices, the engine and its store, moved by hand: for one scene at a time.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "device.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/engine.h"
#include "sim_store.h"

namespace mana_sync::sim {

class Stage {
 public:
  static constexpr int64_t kBeginMs = 1'704'110'400'000;  // 2024-01-01T12:00:00Z

  Stage();
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Made when it is first named.
  [[nodiscard]] Device& device(const std::string& client_id);

  // What the device's user does, at `ms` after the stage began by the device's clock. All of it to
  // the same cell. Without a time the server is not told when.
  void types(const std::string& client_id, const std::string& value, int64_t ms);
  void types_without_time(const std::string& client_id, const std::string& value, int64_t ms);
  void creates_without_time(const std::string& client_id, const std::string& value, int64_t ms);

  // A request, from its device to the engine; then its answer back, or not.
  struct Sent {
    DeviceRequest request;
    std::optional<WireAnswer> answer;
  };
  [[nodiscard]] std::shared_ptr<Sent> sends(const std::string& client_id);
  void gets_answer(const std::string& client_id, const std::shared_ptr<Sent>& sent);
  void loses_answer(const std::string& client_id, const std::shared_ptr<Sent>& sent);
  // Pushes what there is, then pulls all.
  void syncs(const std::string& client_id);

  // The engine and the store work until nothing is left to do; or all but the oldest call of the
  // store; or that one happens, and is not answered.
  void settle();
  void settle_but_oldest_call();
  void oldest_call_happens();
  // Real time passes.
  void pass_ms(int64_t ms) { clock_.advance_us(ms * 1'000); }
  void restart_server();

  // What the cell is with a device.
  [[nodiscard]] std::string seen_by(const std::string& client_id);

 private:
  void start_server();

  const CellId cell_{"t0", "r0", "f"};
  Knobs knobs_;
  Dice dice_{1};
  Journal journal_{false};
  ManualClock clock_;
  SimStore store_;
  EditLog edits_;
  std::map<std::string, std::unique_ptr<Device>> devices_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<sync::Engine> engine_;
  int64_t high_water_us_ = 0;
};

}  // namespace mana_sync::sim
