#include "mana_sync/base/clock.h"

#include <gtest/gtest.h>

#include <ctime>

namespace mana_sync {
namespace {

TEST(SystemClock, WallIsMicrosecondsSince1970) {
  const SystemClock clock;
  const int64_t before_us = static_cast<int64_t>(std::time(nullptr)) * 1'000'000;
  const int64_t now_us = clock.wall_us();
  // time(2) may lag clock_gettime by a kernel tick.
  EXPECT_GE(now_us, before_us);
  EXPECT_LE(now_us, before_us + 60'000'000);
}

TEST(SystemClock, SteadyNeverStepsBack) {
  const SystemClock clock;
  int64_t last_ns = clock.steady_ns();
  for (int i = 0; i < 1000; ++i) {
    const int64_t now_ns = clock.steady_ns();
    ASSERT_GE(now_ns, last_ns);
    last_ns = now_ns;
  }
}

TEST(ManualClock, StandsStillUntilAdvanced) {
  ManualClock clock(5'000'000, 7);
  EXPECT_EQ(clock.wall_us(), 5'000'000);
  EXPECT_EQ(clock.steady_ns(), 7);
  clock.advance_us(250);
  EXPECT_EQ(clock.wall_us(), 5'000'250);
  EXPECT_EQ(clock.steady_ns(), 250'007);
}

TEST(ManualClock, WallStepsBackAndSteadyDoesNot) {
  ManualClock clock(5'000'000, 7);
  clock.set_wall_us(1);
  EXPECT_EQ(clock.wall_us(), 1);
  EXPECT_EQ(clock.steady_ns(), 7);
}

}  // namespace
}  // namespace mana_sync
