// What must hold of any pushes (PROTOCOL §5). Each run prints its seed when it fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "mana_sync/sync/merge.h"
#include "merge_world.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class MergePropertyTest : public ::testing::Test {
 protected:
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  bool one_in(size_t n) { return below(n) == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[below(from.size())]; }
  std::string any_client() { return pick({"a", "b", "c"}); }
  std::string any_record() { return pick({"r", "q"}); }
  std::string any_field() { return pick({"f", "g", "h"}); }
  std::string any_value() { return pick({"1", "2", "\"x\"", "[1]", "null"}); }
  // Mostly before now, in a range small enough for ties.
  std::string any_time() { return time_at(static_cast<int64_t>(below(40)) - 30); }

  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
};

struct TimedEdit {
  std::string client;
  std::string record;
  std::string field;
  std::string value;
  int64_t time_ms;
};

std::string change_of(const TimedEdit& edit) {
  return update_of(edit.record, field_of(edit.field, edit.value, time_at(edit.time_ms)));
}

TEST_F(MergePropertyTest, OrderOfArrivalDoesNotChangeTheWinnersOfEditsWithDistinctTimes) {  // 5.10
  SCOPED_TRACE(seed_);
  for (int run = 0; run < 40 && !HasFailure(); ++run) {
    std::vector<TimedEdit> edits;
    for (int i = 0; i < 12; ++i) {
      // Never at a time of receipt, which would be receipt-timed.
      edits.push_back(
          {"client" + std::to_string(i), any_record(), any_field(), std::to_string(i), -1 - i});
    }
    Winners expected;
    for (int order = 0; order < 6; ++order) {
      std::ranges::shuffle(edits, random_);
      MergeWorld world;
      for (const TimedEdit& edit : edits) {
        world.push(edit.client, {change_of(edit)});
        if (one_in(4)) world.reload();
        world.pass_ms(static_cast<int64_t>(below(3)));
      }
      if (order == 0) expected = world.winners();
      EXPECT_EQ(world.winners(), expected);
    }
  }
}

TEST_F(MergePropertyTest, PlainTimedEditsEndAsTheReferenceSays) {  // PROTOCOL 5.2, 5.3
  SCOPED_TRACE(seed_);
  for (int run = 0; run < 200 && !HasFailure(); ++run) {
    MergeWorld world;
    world.pass_ms(100'000);  // every edit is long past: none is receipt-timed
    Winners reference;
    size_t stored = 0;
    size_t lost = 0;
    for (int i = 0; i < 40; ++i) {
      const TimedEdit edit{any_client(), any_record(), any_field(), std::to_string(i),
                           static_cast<int64_t>(below(10))};
      const Winner mine{kBeginMs + edit.time_ms, edit.client, edit.value};
      const auto [cell, empty] = reference.try_emplace({edit.record, edit.field}, mine);
      const bool wins =
          empty || mine.time_ms > cell->second.time_ms ||
          (mine.time_ms == cell->second.time_ms && mine.client == cell->second.client);
      if (wins) cell->second = mine;
      ++(wins ? stored : lost);

      if (one_in(5)) world.reload();
      const auto outcome = world.push(edit.client, {change_of(edit)});
      EXPECT_EQ(outcome.rows.size(), wins ? 1u : 0u);
      EXPECT_EQ(outcome.lost.size(), wins ? 0u : 1u);
      EXPECT_EQ(world.winners(), reference);
    }
    EXPECT_EQ(world.rows.size(), stored);
    EXPECT_EQ(stored + lost, 40u);
  }
}

// A push of one client, of all kinds of changes that PROTOCOL 2.2 promises to recognize always.
class RepeatPropertyTest : public MergePropertyTest {
 protected:
  std::string any_data(bool timed) {
    std::map<std::string, std::string> members;
    for (size_t i = below(4); i > 0; --i) members[any_field()] = any_value();
    if (timed) members[pick({"updatedAt", "createdAt"})] = any_time();
    std::string data = R"({"id":"x")";
    for (const auto& [name, value] : members)
      data.append(",\"").append(name).append("\":").append(value);
    return data + "}";
  }

  std::string any_change() {
    const std::string record = any_record();
    switch (below(6)) {
      case 0:
        return insert_of(record, any_data(false));
      case 1:
        return insert_of(record, any_data(true));
      case 2:
        return delete_of(record, any_time());
      case 3:
        return update_of(record, field_of("deletedAt", "null", any_time()));
      default:
        break;
    }
    std::string fields = field_of("f", any_value(), any_time());
    if (one_in(2)) fields += "," + field_of(any_field() + "2", any_value(), any_time());
    return update_of(record, fields);
  }

  std::vector<std::string> any_push() {
    std::vector<std::string> changes;
    for (size_t i = 1 + below(5); i > 0; --i) changes.push_back(any_change());
    return changes;
  }

  void let_time_pass(MergeWorld& world) {
    world.clock.advance_us(static_cast<int64_t>(2'000 + below(50'000)));
    if (one_in(3)) world.reload();
  }
};

TEST_F(RepeatPropertyTest, ARepeatedPushStoresNothing_WhateverOthersWroteSince) {  // PROTOCOL 2.2
  SCOPED_TRACE(seed_);
  for (int run = 0; run < 1'500 && !HasFailure(); ++run) {
    MergeWorld world;
    world.pass_ms(20);
    for (int i = 0; i < 4; ++i) {
      world.push(any_client(), any_push());
      let_time_pass(world);
    }
    const std::vector<std::string> changes = any_push();
    world.push("a", changes);
    let_time_pass(world);
    while (one_in(2)) {
      world.push(pick({"b", "c"}), any_push());
      let_time_pass(world);
    }
    const Winners before = world.winners();
    const auto again = world.push("a", changes);
    EXPECT_TRUE(again.rows.empty()) << ::testing::PrintToString(changes);
    EXPECT_EQ(world.winners(), before);
  }
}

TEST_F(RepeatPropertyTest, NewerChangesBehindARepeatEndAsIfTheyHadComeAlone) {  // PROTOCOL 2.2
  SCOPED_TRACE(seed_);
  for (int run = 0; run < 1'500 && !HasFailure(); ++run) {
    const std::vector<std::string> first = any_push();
    const std::vector<std::string> second = any_push();
    MergeWorld repeated;
    MergeWorld alone;
    repeated.pass_ms(20);
    alone.pass_ms(20);
    repeated.push("a", first);
    alone.push("a", first);
    repeated.pass_ms(30);
    alone.pass_ms(30);
    if (one_in(2)) repeated.reload();
    std::vector<std::string> both = first;
    both.insert(both.end(), second.begin(), second.end());
    repeated.push("a", both);
    alone.push("a", second);
    // Times of receipt may differ by the stamps in between; what is held may not.
    const Winners expected = alone.winners();
    const Winners winners = repeated.winners();
    ASSERT_EQ(winners.size(), expected.size());
    for (const auto& [cell, winner] : expected) {
      if (cell.second == "updatedAt" || cell.second == "deletedAt") continue;
      EXPECT_EQ(winners.at(cell).value, winner.value) << cell.first << "." << cell.second << "\n"
                                                      << ::testing::PrintToString(first) << "\n"
                                                      << ::testing::PrintToString(second);
    }
  }
}

}  // namespace
}  // namespace mana_sync::sync
