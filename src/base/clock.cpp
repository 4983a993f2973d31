#include "mana_sync/base/clock.h"

#include <ctime>

namespace mana_sync {
namespace {

int64_t read_ns(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::wall_us() const {
  return read_ns(CLOCK_REALTIME) / 1000;
}
int64_t SystemClock::steady_ns() const {
  return read_ns(CLOCK_MONOTONIC);
}

}  // namespace mana_sync
