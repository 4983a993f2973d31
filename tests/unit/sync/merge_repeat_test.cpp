// PROTOCOL 2.2: the same changes pushed again store nothing new.
#include <gtest/gtest.h>

#include "mana_sync/base/timestamp.h"
#include "mana_sync/sync/merge.h"
#include "merge_world.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

// Each test runs with the cells kept in memory, and with the stream evicted before each repeat.
class MergeRepeatTest : public ::testing::TestWithParam<bool> {
 protected:
  MergeWorld::Outcome repeat(std::string_view client, const std::vector<std::string>& changes) {
    world_.pass_ms(1500);
    if (GetParam()) world_.reload();
    return world_.push(client, changes);
  }
  void expect_repeat_of(std::string_view client, const std::vector<std::string>& changes) {
    const auto outcome = repeat(client, changes);
    EXPECT_TRUE(outcome.rows.empty());
    EXPECT_TRUE(outcome.lost.empty());
  }

  MergeWorld world_;
};

INSTANTIATE_TEST_SUITE_P(Memory, MergeRepeatTest, ::testing::Values(false, true),
                         ::testing::PrintToStringParamName());

TEST_P(MergeRepeatTest, TimedChangesAgainStoreNothing) {
  const std::vector<std::string> changes = {
      insert_of("r", R"({"id":"r","f":1,"createdAt":)" + time_at(-900) + "}"),
      update_of("r",
                field_of("f", "2", time_at(-800)) + "," + field_of("g", "[1.0]", time_at(-700))),
      update_of("r", field_of("f", "3", time_at(-600))), delete_of("r", time_at(-500)),
      update_of("r", field_of("deletedAt", "null", time_at(-400)))};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 5u);
  expect_repeat_of("a", changes);
  expect_repeat_of("a", changes);
}

TEST_P(MergeRepeatTest, NewerChangesBehindARepeatAreStored) {
  std::vector<std::string> changes = {update_of("r", field_of("f", "1", time_at(-800)))};
  world_.push("a", changes);
  changes.push_back(update_of("r", field_of("f", "2", time_at(-700))));
  EXPECT_EQ(repeat("a", changes).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "2");
  expect_repeat_of("a", changes);
}

TEST_P(MergeRepeatTest, CreateThenTypeAgainStoresNothing) {  // with PROTOCOL 5.8
  const std::vector<std::string> changes = {insert_of("r", R"({"f":"","g":0})"),
                                            update_of("r", field_of("f", "\"x\"", time_at(-50))),
                                            update_of("r", field_of("f", "\"xy\"", time_at(-40)))};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 3u);
  expect_repeat_of("a", changes);
  EXPECT_EQ(world_.value("r", "f"), "\"xy\"");
}

TEST_P(MergeRepeatTest, TypingOnBehindARepeatedCreateKeepsWhatWasTyped) {
  std::vector<std::string> changes = {insert_of("r", R"({"f":""})")};
  world_.push("a", changes);
  for (const char* typed : {"\"x\"", "\"xy\"", "\"x\"", "\"\"", "\"x\""}) {
    changes.push_back(
        update_of("r", field_of("f", typed, time_at(-50 + static_cast<int64_t>(changes.size())))));
    EXPECT_EQ(repeat("a", changes).rows.size(), 1u);
    EXPECT_EQ(world_.value("r", "f"), typed);
    expect_repeat_of("a", changes);
  }
}

TEST_P(MergeRepeatTest, ATimelessInsertIsARepeat_WhateverWasWrittenSince) {  // PROTOCOL 2.7
  const std::vector<std::string> insert = {insert_of("r", R"({"id":"r","f":1,"g":[2]})")};
  world_.push("a", insert);
  world_.pass_ms(10);
  world_.push("b", {update_of("r", field_of("f", "5", time_at(5))), delete_of("r"),
                    update_of("r", field_of("updatedAt", "7", time_at(9)))});
  expect_repeat_of("a", insert);
  expect_repeat_of("a", {insert_of("r", R"({"g":[2.0],"id":"other","f":1e0})")});
  EXPECT_EQ(world_.value("r", "f"), "5");
  EXPECT_EQ(world_.value("r", "g"), "[2]");
}

TEST_P(MergeRepeatTest, AnotherClientsEqualTimelessInsertIsNoRepeat) {  // PROTOCOL 2.7
  world_.push("a", {insert_of("r", R"({"f":1})")});
  EXPECT_EQ(repeat("b", {insert_of("r", R"({"f":1})")}).rows.size(), 1u);
}

TEST_P(MergeRepeatTest, ADifferentTimelessInsertOfTheRecordIsNoRepeat) {  // PROTOCOL 2.7
  world_.push("a", {insert_of("r", R"({"f":1,"g":2})")});
  EXPECT_EQ(repeat("a", {insert_of("r", R"({"f":1,"g":3})")}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "g"), "3");
  EXPECT_EQ(repeat("a", {insert_of("r", R"({"f":1,"g":2,"h":3})")}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "h"), "3");
  EXPECT_EQ(repeat("a", {insert_of("q", R"({"f":1,"g":2})")}).rows.size(), 1u);
}

// Or its repeat, after others wrote, could not be told from a new one.
TEST_P(MergeRepeatTest, ATimelessInsertOfWhatTheClientSaidLastIsStoredWhole) {
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-9)))});
  const std::vector<std::string> insert = {insert_of("r", R"({"f":1})")};
  const auto outcome = repeat("a", insert);
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].op, Op::kInsert);
  world_.pass_ms(10);
  world_.push("b", {update_of("r", field_of("f", "2"))});
  expect_repeat_of("a", insert);
  EXPECT_EQ(world_.value("r", "f"), "2");
}

// Of the first insert only its time is left. That must not pass for any other insert.
TEST_P(MergeRepeatTest, WhatWasLostOfOneInsertDoesNotHideAnother) {
  world_.push("b", {update_of("r", field_of("f", "9", time_at(200'000)))});
  world_.push("a", {insert_of("r", R"({"f":1})")});
  expect_repeat_of("a", {insert_of("r", R"({"f":1})")});
  EXPECT_EQ(repeat("a", {insert_of("r", R"({"f":1,"h":3})")}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "h"), "3");
}

TEST_P(MergeRepeatTest, WhatIsLeftOfATimelessInsertIsRecognized) {  // PROTOCOL 2.7, 5.4
  world_.push("b", {update_of("r", field_of("f", "9", time_at(200'000)))});
  const std::vector<std::string> insert = {insert_of("r", R"({"f":1,"g":2})")};
  const auto outcome = world_.push("a", insert);
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].op, Op::kUpdate);
  EXPECT_EQ(outcome.lost.size(), 1u);
  world_.push("b", {update_of("r", field_of("g", "8", time_at(1000)))});
  EXPECT_TRUE(repeat("a", insert).rows.empty());
  EXPECT_EQ(world_.value("r", "g"), "8");
}

TEST_P(MergeRepeatTest, TheSameTimelessInsertTwiceInAPushIsStoredOnce) {  // PROTOCOL 2.7
  const std::vector<std::string> changes = {insert_of("r", R"({"f":"","g":1})"),
                                            update_of("r", field_of("f", "\"x\"", time_at(-9))),
                                            insert_of("r", R"({"g":1.0,"f":""})")};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 2u);
  EXPECT_EQ(world_.value("r", "f"), "\"x\"");
  expect_repeat_of("a", changes);
}

TEST_P(MergeRepeatTest, TwoTimelessInsertsOfARecordInOneMillisecondAreBothRecognized) {
  world_.clock.advance_us(100);  // both stamps round up to one receipt time
  const std::vector<std::string> changes = {insert_of("r", R"({"f":1})"),
                                            insert_of("r", R"({"f":2})")};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 2u);
  expect_repeat_of("a", changes);
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_P(MergeRepeatTest, TimelessDeletesAndUpdatesOfTheWinnersValueStoreNothing) {  // PROTOCOL 2.2
  const std::vector<std::string> changes = {
      update_of("r", field_of("f", "1") + "," + field_of("g", "2")), delete_of("q")};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 2u);
  expect_repeat_of("a", changes);
}

TEST_P(MergeRepeatTest, ATimelessDeleteAndUndeleteAgainStoreNothing) {
  const std::vector<std::string> changes = {delete_of("r"),
                                            update_of("r", field_of("deletedAt", "null"))};
  EXPECT_EQ(world_.push("a", changes).rows.size(), 2u);
  expect_repeat_of("a", changes);
  EXPECT_EQ(world_.value("r", "deletedAt"), "null");
}

TEST_P(MergeRepeatTest, AnEditThatLostLosesAgain) {  // PROTOCOL 2.2
  world_.push("b", {update_of("r", field_of("f", "9", time_at(-100)))});
  const std::vector<std::string> changes = {
      update_of("r", field_of("f", "1", time_at(-200)) + "," + field_of("g", "1", time_at(-200)))};
  EXPECT_EQ(world_.push("a", changes).lost.size(), 1u);
  const auto again = repeat("a", changes);
  EXPECT_TRUE(again.rows.empty());
  ASSERT_EQ(again.lost.size(), 1u);
  EXPECT_EQ(again.lost[0].edit, 0u);
}

TEST_P(MergeRepeatTest, AnEditThatAnotherClientOverwroteLosesWhenItIsRepeated) {
  const std::vector<std::string> changes = {update_of("r", field_of("f", "1", time_at(-200)))};
  world_.push("a", changes);
  world_.push("b", {update_of("r", field_of("f", "2", time_at(-100)))});
  EXPECT_TRUE(repeat("a", changes).rows.empty());
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_P(MergeRepeatTest, ARepeatedTimedInsertStoresNothingAfterItsFieldsWereEdited) {
  const std::vector<std::string> insert = {
      insert_of("r", R"({"f":1,"g":1,"updatedAt":)" + time_at(-900) + "}")};
  world_.push("a", insert);
  world_.push("a", {update_of("r", field_of("f", "2", time_at(-800)))});
  world_.push("b", {update_of("r", field_of("g", "2", time_at(-700)))});
  EXPECT_TRUE(repeat("a", insert).rows.empty());
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_P(MergeRepeatTest, ANewEditBeforeARepeatedOlderOneIsStored) {
  const std::string old = update_of("r", field_of("f", "1", time_at(-200)));
  world_.push("a", {old});
  EXPECT_EQ(repeat("a", {update_of("r", field_of("f", "2", time_at(-100))), old}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_P(MergeRepeatTest, AnEditBehindANewInsertIsNew_ThoughItSaysWhatWasHeldBefore) {  // 5.8
  const std::string typed = update_of("r", field_of("f", "1", time_at(-200)));
  world_.push("a", {insert_of("r", R"({"f":0})"), typed});
  const std::vector<std::string> changes = {insert_of("r", R"({"f":2})"), typed};
  EXPECT_EQ(repeat("a", changes).rows.size(), 2u);
  EXPECT_EQ(world_.value("r", "f"), "1");
  expect_repeat_of("a", changes);
}

TEST_P(MergeRepeatTest, OnlyWhatMayBeARepeatIsLookedUp) {
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-200)))});
  repeat("a", {update_of("r", field_of("f", "2", time_at(-100)))});
  repeat("b", {update_of("r", field_of("f", "2", time_at(-100)))});
  repeat("a", {insert_of("new", R"({"f":1})")});
  EXPECT_EQ(world_.lookups, 0u);
}

}  // namespace
}  // namespace mana_sync::sync
