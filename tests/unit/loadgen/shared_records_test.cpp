#include "shared_records.h"

#include <gtest/gtest.h>

namespace mana_sync::loadgen {
namespace {

TEST(SharedRecords, TheServersEditIsTakenUnlessTheCopyIsNewer) {
  SharedRecords one;
  SharedRecords other;
  one.edit("r", "mine", "2024-01-01T10:00:01.000Z");
  one.take("r", "earlier", "2024-01-01T10:00:00.999Z");
  other.take("r", "mine", "2024-01-01T10:00:01.000Z");
  EXPECT_EQ(one.differences(other), 0u);
  one.take("r", "same time", "2024-01-01T10:00:01.000Z");
  EXPECT_EQ(one.differences(other), 1u);
}

TEST(SharedRecords, AnOwnEditStands_HoweverEarly) {
  SharedRecords one;
  one.take("r", "theirs", "2024-01-01T10:00:01.000Z");
  one.edit("r", "mine", "2024-01-01T10:00:00.000Z");
  SharedRecords other;
  other.take("r", "mine", "2024-01-01T10:00:00.000Z");
  EXPECT_EQ(one.differences(other), 0u);
}

TEST(SharedRecords, WhatOnlyOneHasDiffers) {
  SharedRecords one;
  SharedRecords other;
  one.edit("a", "x", "t");
  other.edit("b", "x", "t");
  EXPECT_EQ(one.differences(other), 2u);
}

}  // namespace
}  // namespace mana_sync::loadgen
