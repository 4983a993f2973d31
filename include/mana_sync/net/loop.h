// The event loop: one thread, one io_uring (ARCHITECTURE §3). Everything else in the process runs
// in its callbacks.
//
// A tick: reap all completions into an array, dispatch them, run due timers and posted functions,
// then the end-of-tick phases in their fixed order, then one submit-and-wait.
//
// Listeners, watches and signals are destroyed before their loop; sockets are the loop's own and
// are closed with it, without a word to their owners.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/result.h"
#include "mana_sync/base/slot_map.h"

namespace mana_sync::net {

class Operations;

using TimerId = SlotId;

// The order in which the end of a tick does its work.
enum class TickPhase {
  kHubDrain,      // notifications gathered in this tick
  kMerge,         // pushes gathered in this tick are merged
  kGroupCommit,   // changes gathered in this tick go to PostgreSQL
  kSocketFlush,   // each socket with output: one gathered send (net's own)
  kReceiveRearm,  // sockets starved of receive buffers (net's own)
  kReclaim,       // what closed in this tick is freed (net's own), before the functions are called
};
inline constexpr int kTickPhaseCount = 6;

class Loop {
 public:
  using Callback = std::move_only_function<void()>;

  // Fails (kIo) where io_uring is not available, with one line that names the sysctl. Probes what
  // the kernel offers and logs it once. `clock`, `log` and `metrics` must outlive the loop.
  // `output_bytes_max`: what the peers of all sockets may not have taken at a tick's end; beyond,
  // those that have had output waiting for longest are aborted.
  [[nodiscard]] static Result<std::unique_ptr<Loop>> create(
      const Clock& clock, Logger& log, Metrics& metrics,
      size_t output_bytes_max = limits::kOutputBytesMaxDefault);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs ticks until stop(). REQUIRES: called on the thread that created the loop.
  void run();
  // Runs ticks until `done` returns true, asked at each tick's end and at least every few
  // milliseconds, stop() or not. For tests.
  void run_until(const std::function<bool()>& done);
  // Makes run() return after the current tick; before run(), at once.
  void stop() { stopping_ = true; }

  // Calls `fn` once, `delay` from now or a little later, on the loop's thread; never from within
  // this call. With a clock other than the system's, it is that clock's time that counts.
  TimerId after(std::chrono::milliseconds delay, Callback fn);
  // Does nothing if the timer has fired or was cancelled already.
  void cancel(TimerId id);

  // Calls `fn` in `phase` of every tick's end, as long as the loop lives. Sockets flush what it
  // sends up to kSocketFlush in the same tick; later phases' output leaves in the next.
  void at_tick_end(TickPhase phase, std::function<void()> fn);

  // Calls `fn` in a later tick of the loop's thread. Any thread; the only member that is.
  void post(Callback fn);

  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] Logger& log() { return log_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }
  // Steady time at the start of this tick, nanoseconds.
  [[nodiscard]] int64_t now_ns() const;
  // For the other files of net.
  [[nodiscard]] Operations& operations();

 private:
  struct Impl;
  Loop(const Clock& clock, Logger& log, Metrics& metrics, std::unique_ptr<Impl> impl);

  void run_tick();

  const Clock& clock_;
  Logger& log_;
  Metrics& metrics_;
  bool stopping_ = false;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::net
