// The only source of time. Handed to whoever needs it, so that tests and the simulator drive it.
#pragma once

#include <cstdint>

namespace mana_sync {

inline constexpr int64_t kNsPerMs = 1'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since 1970-01-01T00:00:00Z. May step back.
  [[nodiscard]] virtual int64_t wall_us() const = 0;
  // Nanoseconds since some fixed point; never steps back.
  [[nodiscard]] virtual int64_t steady_ns() const = 0;
};

// CLOCK_REALTIME and CLOCK_MONOTONIC. Any thread.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override;
  [[nodiscard]] int64_t steady_ns() const override;
};

// Stands still until told otherwise: for tests and the simulator. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_us = 1'700'000'000'000'000, int64_t steady_ns = 1)
      : wall_us_(wall_us), steady_ns_(steady_ns) {}
  [[nodiscard]] int64_t wall_us() const override { return wall_us_; }
  [[nodiscard]] int64_t steady_ns() const override { return steady_ns_; }

  // Lets `us` microseconds pass on both clocks; `us` >= 0.
  void advance_us(int64_t us) {
    wall_us_ += us;
    steady_ns_ += us * 1000;
  }
  // Steps the wall clock alone, as an administrator or NTP does; may go back.
  void set_wall_us(int64_t us) { wall_us_ = us; }

 private:
  int64_t wall_us_;
  int64_t steady_ns_;
};

}  // namespace mana_sync
