#include "expiry.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

constexpr int64_t kNowS = 1'700'000'000;
constexpr int64_t kNsPerS = 1'000'000'000;

TEST(Expiry, ComesWhenTheWallClockHasPassedIt) {  // PROTOCOL 6.4
  ManualClock clock(kNowS * 1'000'000);
  EXPECT_EQ(expiry_ns(kNowS + 60, 0, clock), clock.steady_ns() + 60 * kNsPerS);
  EXPECT_EQ(expiry_ns(kNowS + 60, 30, clock), clock.steady_ns() + 90 * kNsPerS);
  EXPECT_EQ(expiry_ns(kNowS - 60, 0, clock), clock.steady_ns());
  EXPECT_FALSE(has_expired(kNowS + 1, 0, clock));
  EXPECT_FALSE(has_expired(kNowS, 1, clock));
  EXPECT_TRUE(has_expired(kNowS, 0, clock));
}

TEST(Expiry, IsAskedAgainWhereTheClockWasSet) {
  ManualClock clock(kNowS * 1'000'000);
  clock.set_wall_us((kNowS - 100) * 1'000'000);
  EXPECT_FALSE(has_expired(kNowS, 0, clock));
  EXPECT_EQ(expiry_ns(kNowS, 0, clock), clock.steady_ns() + 100 * kNsPerS);
}

TEST(Expiry, NeverComesWithoutOne_OrInManyYears) {
  const ManualClock clock(kNowS * 1'000'000);
  for (const std::optional<double> never : {std::optional<double>(), std::optional(1e300)}) {
    EXPECT_EQ(expiry_ns(never, 30, clock), kNeverNs);
    EXPECT_FALSE(has_expired(never, 30, clock));
  }
  EXPECT_EQ(expiry_ns(-1e300, 0, clock), clock.steady_ns());
}

}  // namespace
}  // namespace mana_sync::server
