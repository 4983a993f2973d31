#include "mana_sync/sync/stamps.h"

#include <gtest/gtest.h>

namespace mana_sync::sync {
namespace {

constexpr int64_t kNowUs = 1'000'000;

class StampsTest : public ::testing::Test {
 protected:
  int64_t next() {
    EXPECT_TRUE(stamps_.reserve(1));
    return stamps_.next();
  }
  ManualClock clock_{kNowUs};
  Stamps stamps_{clock_};
};

TEST_F(StampsTest, AreTheWallClock_AndNeverTwoAlike) {  // ARCHITECTURE §5
  stamps_.grant(0, 2 * kNowUs);
  EXPECT_EQ(next(), kNowUs);
  EXPECT_EQ(next(), kNowUs + 1);
  clock_.advance_us(100);
  EXPECT_EQ(next(), kNowUs + 100);
  EXPECT_EQ(stamps_.last(), kNowUs + 100);
}

TEST_F(StampsTest, GoOnAscendingWhenTheClockStepsBack) {  // PROTOCOL 10.1
  stamps_.grant(0, 2 * kNowUs);
  const int64_t before = next();
  clock_.set_wall_us(17);
  EXPECT_EQ(next(), before + 1);
  EXPECT_EQ(stamps_.cursor(), before + 2);
}

TEST_F(StampsTest, BeginAboveTheFloor) {  // PROTOCOL 10.1: over a restart
  stamps_.grant(kNowUs + 500, 2 * kNowUs);
  EXPECT_EQ(next(), kNowUs + 501);
}

TEST_F(StampsTest, ACursorCountsAsHandedOut) {  // ARCHITECTURE §5
  stamps_.grant(0, 2 * kNowUs);
  const int64_t cursor = stamps_.cursor();
  EXPECT_EQ(cursor, kNowUs);
  EXPECT_EQ(next(), cursor + 1);
  EXPECT_EQ(stamps_.cursor(), cursor + 2);  // PROTOCOL 10.3
}

TEST_F(StampsTest, ThereAreNoneBeforeALease) {
  EXPECT_FALSE(stamps_.reserve(1));
  EXPECT_EQ(stamps_.cursor(), 0);
}

TEST_F(StampsTest, EndWithTheLease) {
  stamps_.grant(0, kNowUs + 2);
  EXPECT_FALSE(stamps_.reserve(4));
  ASSERT_TRUE(stamps_.reserve(3));
  EXPECT_EQ(stamps_.next(), kNowUs);
  EXPECT_EQ(stamps_.next(), kNowUs + 1);
  EXPECT_EQ(stamps_.next(), kNowUs + 2);
  EXPECT_FALSE(stamps_.reserve(1));
  EXPECT_EQ(stamps_.cursor(), kNowUs + 2);
  EXPECT_EQ(stamps_.cursor(), kNowUs + 2);
}

TEST_F(StampsTest, TheClockPastTheLeaseGivesNoStamps_AndTheCursorStandsAtItsEnd) {
  stamps_.grant(0, kNowUs + 10);
  clock_.advance_us(11);
  EXPECT_FALSE(stamps_.reserve(1));
  EXPECT_EQ(stamps_.cursor(), kNowUs + 10);
  stamps_.grant(0, kNowUs + 100);
  EXPECT_EQ(next(), kNowUs + 11);
}

TEST_F(StampsTest, ReservedStampsAreThereHoweverFarTheClockRuns) {
  stamps_.grant(0, kNowUs + 10);
  ASSERT_TRUE(stamps_.reserve(2));
  clock_.advance_us(1'000'000);
  EXPECT_EQ(stamps_.next(), kNowUs);
  EXPECT_EQ(stamps_.next(), kNowUs + 1);
}

TEST_F(StampsTest, ALaterCursorMayBeForeign_WhileTheLeaseIsNotKnownToBeOurs) {  // PROTOCOL 10.1
  stamps_.grant(0, 2 * kNowUs);
  const int64_t cursor = stamps_.cursor();
  EXPECT_FALSE(stamps_.may_be_foreign(cursor + 1));
  stamps_.suspend();
  EXPECT_FALSE(stamps_.may_be_foreign(cursor));
  EXPECT_TRUE(stamps_.may_be_foreign(cursor + 1));
  stamps_.grant(0, 2 * kNowUs);
  EXPECT_FALSE(stamps_.may_be_foreign(cursor + 1));
}

TEST_F(StampsTest, ALeaseNeverShrinks) {
  stamps_.grant(0, kNowUs + 10);
  stamps_.grant(0, kNowUs - 10);
  EXPECT_TRUE(stamps_.reserve(1));
}

}  // namespace
}  // namespace mana_sync::sync
