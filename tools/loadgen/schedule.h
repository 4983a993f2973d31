// An open loop: things that are due at a fixed rate, be those before them done or not.
#pragma once

#include <cstdint>
#include <functional>

#include "mana_sync/net/fd_watch.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::loadgen {

// One thread. Destroyed before its loop.
class Schedule {
 public:
  // `on_due` is called once for each; due_ns() is then when it was due, which may be a little ago.
  Schedule(net::Loop& loop, std::function<void()> on_due);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  // `per_s` things a second for `seconds`, the first of them now; then calls `on_end`, once the
  // time is over. REQUIRES: it does not run.
  void start(double per_s, double seconds, std::function<void()> on_end);
  // No call comes after it.
  void stop();

  // Steady time at which what on_due() was called for was due.
  [[nodiscard]] int64_t due_ns() const { return due_ns_; }

 private:
  void run_due();
  void wait_until(int64_t due_ns);

  net::Loop& loop_;
  const std::function<void()> on_due_;
  std::function<void()> on_end_;
  // The loop's own timers count milliseconds, which is as long as what is to be measured.
  const int timer_fd_;
  net::FdWatch watch_;
  double per_s_ = 0;
  int64_t begun_ns_ = 0;
  int64_t due_ns_ = 0;
  uint64_t called_ = 0;
  uint64_t called_max_ = 0;
  int64_t end_ns_ = 0;
};

}  // namespace mana_sync::loadgen
