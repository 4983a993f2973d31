#include "mana_sync/sync/cells.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

constexpr uint64_t kValueHashMax = (uint64_t{1} << kValueHashBits) - 1;

class CellTableTest : public ::testing::Test {
 protected:
  CellTableTest() { RecordProperty("seed", std::to_string(seed_)); }

  CellKey random_key() { return {.low = random_(), .high = random_()}; }
  Cell random_cell() {
    return {.time_ms = static_cast<int64_t>(random_() % 253'402'300'800'000),
            .client = random_(),
            .value_hash = random_() & kValueHashMax,
            .receipt_timed = random_() % 2 == 0,
            .contested = random_() % 2 == 0,
            .goes_back = random_() % 2 == 0};
  }
  size_t below(size_t bound) { return random_() % bound; }

  // Sets each key to a cell of its own, and expects to find all of them at the end.
  void expect_keeps(const std::vector<CellKey>& keys) {
    std::vector<Cell> expected;
    for (const CellKey& key : keys) {
      expected.push_back(random_cell());
      EXPECT_EQ(cells_.find(key), std::nullopt);
      cells_.set(key, expected.back());
    }
    EXPECT_EQ(cells_.size(), keys.size());
    for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(cells_.find(keys[i]), expected[i]) << i;
  }

  [[nodiscard]] double bytes_per_cell() const {
    return static_cast<double>(cells_.bytes()) / static_cast<double>(cells_.size());
  }

  const uint64_t seed_ = random_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937_64 random_{seed_};
  CellTable cells_;
};

TEST_F(CellTableTest, HoldsWhatAMapWouldHold) {
  std::map<std::pair<uint64_t, uint64_t>, Cell> expected;
  std::vector<CellKey> keys(1);
  for (int step = 0; step < 60'000; ++step) {
    const bool is_new = below(3) == 0;
    const CellKey key = is_new ? random_key() : keys[below(keys.size())];
    if (is_new) keys.push_back(key);
    const auto found = expected.find({key.high, key.low});
    ASSERT_EQ(cells_.find(key),
              found == expected.end() ? std::nullopt : std::optional(found->second));
    if (below(2) == 0) continue;
    const Cell cell = random_cell();
    cells_.set(key, cell);
    expected[{key.high, key.low}] = cell;
    ASSERT_EQ(cells_.size(), expected.size());
  }
  size_t visited = 0;
  std::set<std::pair<uint64_t, uint64_t>> seen;
  cells_.for_each([&](const CellKey& key, const Cell& cell) {
    ++visited;
    seen.emplace(key.high, key.low);
    EXPECT_EQ(cells_.find(key), cell);
  });
  EXPECT_EQ(visited, expected.size());
  EXPECT_EQ(seen.size(), expected.size());
}

TEST_F(CellTableTest, LosesNothingWhereverItGrows) {
  std::vector<std::pair<CellKey, Cell>> added;
  for (int i = 0; i < 1'500; ++i) {
    added.emplace_back(random_key(), random_cell());
    cells_.set(added.back().first, added.back().second);
    for (const auto& [key, cell] : added) ASSERT_EQ(cells_.find(key), cell) << i;
    ASSERT_EQ(cells_.find(random_key()), std::nullopt);
  }
}

TEST_F(CellTableTest, IsEmptyUntilSomethingIsSet) {
  EXPECT_EQ(cells_.find(random_key()), std::nullopt);
  EXPECT_EQ(cells_.size(), 0u);
  EXPECT_EQ(cells_.bytes(), 0u);
  cells_.for_each([](const CellKey&, const Cell&) { ADD_FAILURE(); });
  expect_keeps({random_key(), random_key()});
  cells_ = {};
  EXPECT_EQ(cells_.size(), 0u);
  EXPECT_EQ(cells_.bytes(), 0u);
}

TEST_F(CellTableTest, HoldsTheTimesOfAllYears) {
  const auto returned = [this](int64_t time_ms) {
    const CellKey key = random_key();
    cells_.set(key, {.time_ms = time_ms, .receipt_timed = time_ms % 2 != 0});
    EXPECT_EQ(cells_.find(key)->receipt_timed, time_ms % 2 != 0);
    return cells_.find(key)->time_ms;
  };
  const int64_t first = *parse_rfc3339_ms("0000-01-01T00:00:00Z");
  const int64_t last = *parse_rfc3339_ms("9999-12-31T23:59:59.999Z");
  for (const int64_t time_ms : {first, first + 1, int64_t{-1}, int64_t{0}, int64_t{1}, last}) {
    EXPECT_EQ(returned(time_ms), time_ms);
  }
  EXPECT_LT(returned(INT64_MIN), first);
  EXPECT_GT(returned(INT64_MAX), last);
}

TEST_F(CellTableTest, HoldsEveryBitOfACell) {
  const CellKey key = random_key();
  for (const uint64_t bits : {uint64_t{0}, UINT64_MAX}) {
    for (const int64_t time_ms : {int64_t{0}, int64_t{-1}}) {
      for (int flags = 0; flags < 8; ++flags) {
        const Cell cell{.time_ms = time_ms,
                        .client = bits,
                        .value_hash = ~bits & kValueHashMax,
                        .receipt_timed = (flags & 1) != 0,
                        .contested = (flags & 2) != 0,
                        .goes_back = (flags & 4) != 0};
        cells_.set(key, cell);
        EXPECT_EQ(cells_.find(key), cell);
      }
    }
  }
  EXPECT_EQ(cells_.size(), 1u);
}

TEST_F(CellTableTest, TellsKeysApartByAnyKeptBit) {
  for (const CellKey& key : {CellKey{0, 0}, CellKey{UINT64_MAX, UINT64_MAX}, random_key()}) {
    cells_ = {};
    std::vector<CellKey> keys = {key};
    for (int bit = 0; bit < 64; ++bit) keys.push_back({key.low, key.high ^ uint64_t{1} << bit});
    for (int bit = 0; bit < 28; ++bit) keys.push_back({key.low ^ uint64_t{1} << bit, key.high});
    expect_keeps(keys);
  }
}

// They all fall into one bucket.
TEST_F(CellTableTest, HoldsKeysThatAreAllAlike) {
  std::vector<CellKey> keys;
  for (uint64_t i = 0; i < 1'000; ++i) keys.push_back({.low = i << 8, .high = UINT64_MAX});
  expect_keeps(keys);
  EXPECT_LE(bytes_per_cell(), 42);
}

TEST_F(CellTableTest, TakesAtMost40BytesACellAtAnySize) {  // ARCHITECTURE §4
  for (int size = 1; size <= 20'000; ++size) {
    cells_.set(random_key(), random_cell());  // each by another client
    if (size > 1) {
      ASSERT_LE(bytes_per_cell(), 40) << size;
    }
  }
}

TEST_F(CellTableTest, OneCellTakesLittle) {
  cells_.set(random_key(), random_cell());
  EXPECT_LE(sizeof cells_ + cells_.bytes(), 96u);
}

TEST_F(CellTableTest, CountsWhatItHasAllocated) {
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 100'000; ++i) cells_.set(random_key(), random_cell());
  const size_t allocated = mallinfo2().uordblks - before;
  if (before == 0) GTEST_SKIP() << "this allocator does not count";
  EXPECT_NEAR(static_cast<double>(allocated), static_cast<double>(cells_.bytes()),
              0.04 * static_cast<double>(cells_.bytes()));
}

TEST(CellKeyTest, DiffersByEachNameAndWhereOneEnds) {
  const std::vector<CellKey> keys = {cell_key("t", "r", "f"), cell_key("tr", "", "f"),
                                     cell_key("", "tr", "f"), cell_key("t", "rf", ""),
                                     cell_key("u", "r", "f"), cell_key("t", "s", "f"),
                                     cell_key("t", "r", "g")};
  std::set<std::pair<uint64_t, uint64_t>> distinct;
  for (const CellKey& key : keys) distinct.emplace(key.high, key.low);
  EXPECT_EQ(distinct.size(), keys.size());
  EXPECT_EQ(cell_key("t", "r", "f"), keys[0]);
}

TEST(CellKeyTest, TakesNamesOfAnyLength) {
  std::set<std::pair<uint64_t, uint64_t>> distinct;
  for (size_t size = 0; size < 2'000; ++size) {
    const std::string name(size, 'x');
    const CellKey key = cell_key("t", name, "f");
    EXPECT_EQ(cell_key("t", name, "f"), key);
    distinct.emplace(key.high, key.low);
  }
  EXPECT_EQ(distinct.size(), 2'000u);
}

TEST(CellOverlayTest, StandsBeforeTheTableUntilItIsApplied) {
  const CellKey changed = cell_key("t", "r", "f");
  const CellKey stored = cell_key("t", "r", "g");
  const CellKey added = cell_key("t", "r", "h");
  CellTable cells;
  cells.set(changed, {.time_ms = 1});
  cells.set(stored, {.time_ms = 2});
  CellOverlay overlay(cells);
  overlay.set(changed, {.time_ms = 3});
  overlay.set(added, {.time_ms = 4});
  EXPECT_EQ(overlay.find(changed)->time_ms, 3);
  EXPECT_EQ(overlay.find(stored)->time_ms, 2);
  EXPECT_EQ(overlay.find(added)->time_ms, 4);
  EXPECT_EQ(overlay.find(cell_key("t", "r", "i")), std::nullopt);
  EXPECT_EQ(cells.find(changed)->time_ms, 1);
  std::move(overlay).apply_to(cells);
  EXPECT_EQ(cells.find(changed)->time_ms, 3);
  EXPECT_EQ(cells.find(stored)->time_ms, 2);
  EXPECT_EQ(cells.find(added)->time_ms, 4);
}

}  // namespace
}  // namespace mana_sync::sync
