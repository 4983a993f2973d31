// Keeps requests coming, and measures them: in a closed loop, where each worker sends its next
// request when the last was answered, or in an open one, where requests are due at a fixed rate
// whatever becomes of those before them, and their latency counts from then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"
#include "process_stats.h"
#include "progress.h"
#include "scenario.h"
#include "schedule.h"

namespace mana_sync::loadgen {

enum class Op : uint8_t { kPush, kPull, kHealth };
inline constexpr size_t kOpCount = 3;
[[nodiscard]] std::string_view name_of(Op op);

class DriverEvents {
 public:
  virtual ~DriverEvents() = default;
  // `worker` is to send a request now, and to tell the driver of its end, with `due_ns`.
  virtual void start_request(size_t worker, int64_t due_ns) = 0;
  // The time is over and no request is under way.
  virtual void on_run_ended() = 0;
};

struct DriverOptions {
  size_t workers = 32;
  size_t pipelined = 1;  // requests under way of each worker
  double seconds = 10;
  double requests_per_s = 0;  // 0: a closed loop
};

// One thread; destroyed before its network.
class Driver {
 public:
  // Requests of an open loop that are due and wait for their worker; beyond, they are given up.
  static constexpr size_t kWaitingMax = 100'000;
  // After a request without an answer, a worker waits that long.
  static constexpr int64_t kBackOffMs = 100;

  // `run` and `events` must outlive the driver.
  Driver(RunContext& run, DriverOptions options, DriverEvents& events);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void start();
  // `status` 0: no answer came; `reason` then says why.
  void on_done(size_t worker, Op op, int status, int64_t due_ns, std::string_view reason = {});

  // Adds what was measured to the run's report. It has failed if no request was answered 200.
  void write_report();

 private:
  struct Worker {
    size_t under_way = 0;
    std::deque<int64_t> waiting;  // when those were due
    net::TimerId pause;           // after a request without an answer
  };

  [[nodiscard]] bool is_closed_loop() const { return options_.requests_per_s <= 0; }
  void begin(size_t worker, int64_t due_ns);
  // Sends what is due, as far as the worker may have more under way.
  void refill(size_t worker);
  void on_due();
  void end();
  void end_if_idle();
  void count(Op op, int status, int64_t due_ns, std::string_view reason);

  RunContext& run_;
  const DriverOptions options_;
  DriverEvents& events_;
  std::vector<Worker> workers_;
  size_t next_worker_ = 0;
  size_t under_way_ = 0;
  size_t waiting_ = 0;
  uint64_t given_up_ = 0;
  bool is_over_ = false;   // the time is
  bool is_ended_ = false;  // on_run_ended() was called
  int64_t begun_ns_ = 0;

  std::array<Histogram, kOpCount> latencies_;
  std::vector<double> per_second_;  // answered 200, by the second since begun_ns_
  uint64_t answered_ = 0;           // with 200, in the time
  uint64_t failed_ = 0;
  ProcessStats server_before_;
  ProcessStats server_after_;
  double own_cpu_before_s_ = 0;
  double own_cpu_s_ = 0;
  Schedule schedule_;
  Progress progress_;
};

}  // namespace mana_sync::loadgen
