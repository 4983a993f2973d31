#include "mana_sync/base/slot_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace mana_sync {
namespace {

TEST(SlotMap, FindsWhatWasInserted) {
  SlotMap<int> map;
  const SlotId one = map.insert(std::make_unique<int>(1));
  const SlotId two = map.insert(std::make_unique<int>(2));
  EXPECT_EQ(map.size(), 2u);
  EXPECT_NE(one, two);
  ASSERT_NE(map.find(one), nullptr);
  ASSERT_NE(map.find(two), nullptr);
  EXPECT_EQ(*map.find(one), 1);
  EXPECT_EQ(*map.find(two), 2);
}

TEST(SlotMap, StaleIdFindsNothingThoughItsSlotIsUsedAgain) {
  SlotMap<int> map;
  const SlotId old = map.insert(std::make_unique<int>(1));
  EXPECT_EQ(*map.remove(old), 1);
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.find(old), nullptr);
  const SlotId fresh = map.insert(std::make_unique<int>(2));
  EXPECT_EQ(fresh.slot, old.slot);
  EXPECT_EQ(map.find(old), nullptr);
  EXPECT_EQ(*map.find(fresh), 2);
}

TEST(SlotMap, DefaultIdIsInvalidAndFindsNothing) {
  SlotMap<int> map;
  EXPECT_FALSE(SlotId{}.valid());
  EXPECT_EQ(map.find(SlotId{}), nullptr);
  EXPECT_TRUE(map.insert(std::make_unique<int>(1)).valid());
}

TEST(SlotMap, AddressesAreStableWhileItGrows) {
  SlotMap<int> map;
  const SlotId first = map.insert(std::make_unique<int>(1));
  const int* address = map.find(first);
  for (int i = 0; i < 1000; ++i) static_cast<void>(map.insert(std::make_unique<int>(i)));
  EXPECT_EQ(map.find(first), address);
}

TEST(SlotMap, ForEachVisitsEachAndMayRemoveTheOneItIsGiven) {
  SlotMap<int> map;
  std::vector<SlotId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(map.insert(std::make_unique<int>(i)));
  map.remove(ids[3]);
  std::vector<int> seen;
  map.for_each([&](SlotId id, int& value) {
    seen.push_back(value);
    if (value % 2 == 0) map.remove(id);
  });
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 4}));
  EXPECT_EQ(map.size(), 1u);
  EXPECT_NE(map.find(ids[1]), nullptr);
}

TEST(SlotMapDeathTest, RemovingAStaleIdIsABug) {
  SlotMap<int> map;
  const SlotId id = map.insert(std::make_unique<int>(1));
  map.remove(id);
  EXPECT_DEATH(map.remove(id), "check failed");
}

}  // namespace
}  // namespace mana_sync
