// What a client is told of edits that lost: conflicts and corrections (PROTOCOL 5.5, 5.6, 5.9).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine_world.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class CorrectionsTest : public ::testing::Test {
 protected:
  // The time `ms` from the beginning, as it is sent.
  static std::string sent(int64_t ms) { return time_at(ms); }
  static std::string field(std::string_view name, std::string_view value, int64_t ms) {
    return fmt::format(R"("{}":{{"value":{},"updatedAt":{},"at":{}}})", name, value, sent(ms),
                       sent(ms));
  }
  static std::string conflict(std::string_view name, std::string_view client_value,
                              int64_t client_ms, std::string_view server_value, int64_t server_ms) {
    return fmt::format(
        R"({{"table":"t","id":"r","field":"{}","clientValue":{},"clientTimestamp":{},)"
        R"("serverValue":{},"serverTimestamp":{}}})",
        name, client_value, sent(client_ms), server_value, sent(server_ms));
  }
  static std::string timed(std::string_view name, std::string_view value, int64_t ms) {
    return field_of(name, value, time_at(ms));
  }

  // A cursor that has everything so far.
  [[nodiscard]] int64_t now() const { return world_.engine.last_stamp_us(); }

  EngineWorld world_;
};

TEST_F(CorrectionsTest, AnEditLostToAnotherClientIsReportedAndCorrected) {
  world_.push_and_settle("a", {update_of("r", timed("f", R"({"k": [1, 2]})", -10))});
  const Answer answer = world_.push_and_settle("b", {update_of("r", timed("f", "1", -20))}, now());
  EXPECT_THAT(answer.conflicts, ElementsAre(conflict("f", "1", -20, R"({"k":[1,2]})", -10)));
  ASSERT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", R"({"k":[1,2]})", -10))));
  EXPECT_THAT(answer.changes[0], HasSubstr(R"("table":"t","id":"r","op":"update","fields":{)"));
  EXPECT_THAT(answer.changes[0], HasSubstr(R"("eventId":")"));
  EXPECT_EQ(world_.metric("mana_sync_conflicts_total"), 1);
  EXPECT_EQ(world_.metric("mana_sync_corrections_total"), 1);
}

TEST_F(CorrectionsTest, WhatTheDeltaHoldsIsNotCorrectedAgain) {  // 5.6
  world_.push_and_settle("a", {update_of("r", timed("f", "2", -10))});
  const Answer answer = world_.push_and_settle("b", {update_of("r", timed("f", "1", -20))}, 0);
  EXPECT_THAT(answer.conflicts, ElementsAre(conflict("f", "1", -20, "2", -10)));
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "2", -10))));
}

TEST_F(CorrectionsTest, TheSameValueIsNoConflictButItsTimeIsCorrected) {  // 5.5, 5.6
  world_.push_and_settle("a", {update_of("r", timed("f", "1.0", -10))});
  const Answer answer = world_.push_and_settle("b", {update_of("r", timed("f", "1", -20))}, now());
  EXPECT_THAT(answer.conflicts, IsEmpty());
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "1.0", -10))));
}

TEST_F(CorrectionsTest, AnEditLostToItsClientsOwnLaterEditIsNoConflictButCorrected) {  // 5.6
  const Answer answer = world_.push_and_settle(
      "a", {update_of("r", timed("f", "2", -10)), update_of("r", timed("f", "1", -20))});
  EXPECT_THAT(answer.conflicts, IsEmpty());
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "2", -10))));
}

TEST_F(CorrectionsTest, AnEditThatItsClientFollowedWithOneThatWonIsOnlyReported) {  // 5.5, 5.6
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const Answer answer = world_.push_and_settle(
      "b", {update_of("r", timed("f", "2", -20)), update_of("r", timed("f", "3", -5))}, now());
  EXPECT_THAT(answer.conflicts, ElementsAre(conflict("f", "2", -20, "3", -5)));
  EXPECT_THAT(answer.changes, IsEmpty());
}

TEST_F(CorrectionsTest, SoIsItsRepeat) {  // 2.2, 5.6
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const std::vector<std::string> push = {update_of("r", timed("f", "2", -20)),
                                         update_of("r", timed("f", "3", -5))};
  world_.push_and_settle("b", push, now());
  EXPECT_THAT(world_.push_and_settle("b", push, now()).changes, IsEmpty());
}

TEST_F(CorrectionsTest, ThereIsOneCorrectionForARecordWithEachCellOnce) {  // 5.6
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -1) + "," + timed("g", "1", -2)),
                               update_of("q", timed("f", "1", -3))});
  const Answer answer =
      world_.push_and_settle("b",
                             {update_of("r", timed("f", "2", -20) + "," + timed("h", "2", -20)),
                              update_of("q", timed("f", "2", -20)),
                              update_of("r", timed("f", "3", -19) + "," + timed("g", "3", -19))},
                             now());
  ASSERT_EQ(answer.records, (std::vector<std::string>{"r", "q"}));
  EXPECT_THAT(answer.changes[0],
              HasSubstr("{" + field("f", "1", -1) + "," + field("g", "1", -2) + "}"));
  EXPECT_THAT(answer.changes[1], HasSubstr(field("f", "1", -3)));
  EXPECT_EQ(answer.conflicts.size(), 4u);
}

TEST_F(CorrectionsTest, ALostDeleteIsReportedAsItsFieldDeletedAt) {  // 2.8
  world_.push_and_settle("a", {update_of("r", timed("deletedAt", "null", -10))});
  const Answer answer = world_.push_and_settle("b", {delete_of("r", time_at(-20))}, now());
  EXPECT_THAT(answer.conflicts, ElementsAre(conflict("deletedAt", sent(-20), -20, "null", -10)));
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("deletedAt", "null", -10))));
}

TEST_F(CorrectionsTest, WhatIsLeftOfAnInsertIsStoredAndTheRestReported) {  // 5.4, 5.5
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const Answer answer = world_.push_and_settle(
      "b", {insert_of("r", R"({"f":2,"g":2,"updatedAt":)" + time_at(-20) + "}")}, now());
  EXPECT_THAT(answer.conflicts, ElementsAre(conflict("f", "2", -20, "1", -10)));
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "1", -10))));
  EXPECT_EQ(world_.rows().size(), 2u);
}

TEST_F(CorrectionsTest, ARepeatedPushIsToldAgainOfWhatItLostAndOfNothingElse) {  // 2.2
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const std::vector<std::string> push = {
      update_of("r", timed("f", "2", -20) + "," + timed("g", "2", -20))};
  const Answer first = world_.push_and_settle("b", push, now());
  const Answer again = world_.push_and_settle("b", push, now());
  EXPECT_EQ(again.conflicts, first.conflicts);
  EXPECT_EQ(again.conflicts.size(), 1u);
  EXPECT_EQ(again.records, first.records);
  EXPECT_EQ(world_.rows().size(), 2u);
}

TEST_F(CorrectionsTest, AReceiptTimedEditOverAnothersWinnerComesBackWithItsTime) {  // 5.9
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10) + "," + timed("g", "1", -10))});
  world_.clock.advance_us(5'000);
  const Answer answer = world_.push_and_settle("b", {update_of("r", field_of("f", "2"))}, now());
  EXPECT_THAT(answer.conflicts, IsEmpty());
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "2", 5))));
}

TEST_F(CorrectionsTest, AReceiptTimedEditOfACellThatNobodyElseHeldDoesNotComeBack) {  // 5.9
  // "It would overwrite what is being typed."
  for (const char* value : {"1", "2", "3"}) {
    world_.clock.advance_us(5'000);
    EXPECT_THAT(world_.push_and_settle("b", {update_of("r", field_of("f", value))}, now()).changes,
                IsEmpty());
  }
  world_.clock.advance_us(5'000);
  EXPECT_THAT(  // 5.8
      world_.push_and_settle("b", {update_of("r", timed("f", "4", -10))}, now()).changes,
      IsEmpty());
}

TEST_F(CorrectionsTest, WhatFollowsOnAReceiptTimedEditThatCameBackComesBackAsWell) {  // 5.8, 5.9
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  world_.clock.advance_us(5'000);
  world_.push_and_settle("b", {update_of("r", field_of("f", "2"))}, now());
  // Typed while that answer was on its way, which then overwrites it at the author.
  world_.clock.advance_us(5'000);
  EXPECT_THAT(world_.push_and_settle("b", {update_of("r", timed("f", "3", 4))}, now()).changes,
              ElementsAre(HasSubstr(field("f", "3", 10))));
  // And made once it was there: later than all that came back.
  EXPECT_THAT(world_.push_and_settle("b", {update_of("r", timed("f", "4", 12))}, now()).changes,
              IsEmpty());
}

TEST_F(CorrectionsTest, TheRepeatOfWhatCameBackComesBackAgain) {  // 2.2, 5.9
  world_.push_and_settle("a", {insert_of("r", R"({"f":1,"updatedAt":)" + time_at(-10) + "}")});
  world_.clock.advance_us(5'000);
  const std::vector<std::string> insert = {insert_of("r", R"({"f":2})")};
  const Answer first = world_.push_and_settle("b", insert, now());
  world_.clock.advance_us(5'000);
  const Answer again = world_.push_and_settle("b", insert, now());
  EXPECT_THAT(first.changes, ElementsAre(HasSubstr(field("f", "2", 5))));
  EXPECT_THAT(again.changes, ElementsAre(HasSubstr(field("f", "2", 5))));
  EXPECT_THAT(again.conflicts, IsEmpty());
  EXPECT_EQ(world_.rows().size(), 2u);
}

// The device's clock stepped back: what it holds looks older than what it is sent of its own.
TEST_F(CorrectionsTest, AReceiptTimedEditOverAnEditTimeOfItsOwnComesBack_AndWhatFollows) {  // 5.10
  world_.push_and_settle("b", {update_of("r", timed("f", "2", -10))});
  EXPECT_THAT(world_.push_and_settle("b", {update_of("r", timed("f", "6", -20))}, now()).changes,
              ElementsAre(HasSubstr(field("f", "2", -10))));
  world_.clock.advance_us(5'000);
  EXPECT_THAT(world_.push_and_settle("b", {update_of("r", field_of("f", "7"))}, now()).changes,
              ElementsAre(HasSubstr(field("f", "7", 5))));
  world_.clock.advance_us(5'000);
  EXPECT_THAT(world_.push_and_settle("b", {update_of("r", timed("f", "8", -20))}, now()).changes,
              ElementsAre(HasSubstr(field("f", "8", 10))));
}

TEST_F(CorrectionsTest, AClampedEditOverAnothersWinnerComesBackWithItsTime) {  // 5.7, 5.9
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  world_.clock.advance_us(5'000);
  const Answer answer =
      world_.push_and_settle("b", {update_of("r", timed("f", "2", 3'600'000))}, now());
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "2", 5))));
}

TEST_F(CorrectionsTest, OfTheReceiptTimedEditsOfACellTheLastIsCorrected) {  // 5.6, 5.9
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  world_.clock.advance_us(5'000);
  const Answer answer = world_.push_and_settle(
      "b", {update_of("r", field_of("f", "2")), update_of("r", field_of("f", "3"))}, now());
  EXPECT_THAT(answer.changes, ElementsAre(HasSubstr(field("f", "3", 6))));
}

TEST_F(CorrectionsTest, ThereAreAtMostAThousandConflicts) {  // 5.6
  std::vector<std::string> later;
  std::vector<std::string> earlier;
  for (int i = 0; i < 1'200; ++i) {
    later.push_back(update_of(fmt::format("r{}", i), timed("f", "1", -10)));
    earlier.push_back(update_of(fmt::format("r{}", i), timed("f", "2", -20)));
  }
  world_.push_and_settle("a", later);
  const Answer answer = world_.push_and_settle("b", earlier, now());
  EXPECT_EQ(answer.conflicts.size(), limits::kConflictsMax);
  EXPECT_EQ(answer.records.size(), 1'200u);
}

TEST_F(CorrectionsTest, ConflictsLeaveOutValuesThatDoNotFit) {  // 5.6
  const std::string large = '"' + std::string(400'000, 'x') + '"';
  std::vector<std::string> later;
  std::vector<std::string> earlier;
  for (int i = 0; i < 4; ++i) {
    later.push_back(update_of(fmt::format("r{}", i), timed("f", large, -10)));
    earlier.push_back(update_of(fmt::format("r{}", i), timed("f", "2", -20)));
  }
  world_.push_and_settle("a", later);
  const Answer answer = world_.push_and_settle("b", earlier, now());
  ASSERT_EQ(answer.conflicts.size(), 4u);
  EXPECT_THAT(answer.conflicts[1], HasSubstr("serverValue"));
  EXPECT_EQ(
      answer.conflicts[2],
      fmt::format(
          R"({{"table":"t","id":"r2","field":"f","clientTimestamp":{},"serverTimestamp":{}}})",
          sent(-20), sent(-10)));
  EXPECT_EQ(answer.records.size(), 4u);
}

TEST_F(CorrectionsTest, WhatNoAnswerHasRoomForIsStoredAndPagesBringIt) {  // 5.6
  const std::string large = '"' + std::string(1'500'000, 'x') + '"';
  std::vector<std::string> earlier;
  for (int i = 0; i < 4; ++i) {
    world_.push_and_settle("a", {update_of(fmt::format("r{}", i), timed("f", large, -10))});
    earlier.push_back(update_of(fmt::format("r{}", i), timed("f", "2", -20)));
  }
  const Answer answer = world_.push_and_settle("b", earlier, now());
  EXPECT_TRUE(answer.ok());
  EXPECT_EQ(answer.records, (std::vector<std::string>{"r0", "r1"}));
  EXPECT_LE(answer.text.size(), limits::kAnswerBytesMax + limits::kConflictsBytesMax);
  ASSERT_EQ(world_.rows().size(), 6u);
  EXPECT_EQ(world_.rows()[4].client_id, "");
  EXPECT_GT(world_.rows()[4].stamp_us, answer.synced_until_us);
  EXPECT_TRUE(answer.has_more);
  // A repeat finds them stored already (2.2), though its first page ends before them.
  const Answer again = world_.push_and_settle("b", earlier, world_.rows()[0].stamp_us - 1);
  EXPECT_TRUE(again.has_more);
  EXPECT_EQ(world_.rows().size(), 6u);

  const auto page = world_.pull(answer.synced_until_us, "b");
  world_.settle();
  EXPECT_EQ(page->records, (std::vector<std::string>{"r2", "r3"}));
  // The winner is still a's: its own later edit in that millisecond is kept (5.2).
  EXPECT_THAT(world_.push_and_settle("a", {update_of("r2", timed("f", "7", -10))}).conflicts,
              IsEmpty());
  EXPECT_EQ(world_.rows().size(), 7u);
}

TEST_F(CorrectionsTest, AWinnerThatIsNoneAnyMoreIsNotRestated) {  // 5.2, 5.6
  // Its successor is as late, or later; either comes in while the first is asked for.
  for (const int64_t successor_ms : {-10, -5}) {
    EngineWorld world;
    const std::string large = '"' + std::string(limits::kAnswerBytesMax, 'x') + '"';
    world.push_and_settle("b", {update_of("r", timed("f", large, -10))});
    const int64_t since = world.engine.last_stamp_us();
    const auto loser = world.push("a", {update_of("r", timed("f", "1", -20))}, since);
    world.engine.run();
    const std::vector<std::string> successor = {update_of("r", timed("f", "2", successor_ms))};
    world.push("b", successor, since);
    world.store.answer_lookup();
    world.settle();
    EXPECT_TRUE(loser->ok());
    ASSERT_EQ(world.rows().size(), 2u);
    EXPECT_EQ(world.rows()[1].data, R"({"f":2})");
    world.engine.grant(kBeginMs * 1'000 + 10, kBeginMs * 2'000);  // all is read again
    world.push_and_settle("b", successor, since);
    EXPECT_EQ(world.rows().size(), 2u);  // 2.2
  }
}

TEST_F(CorrectionsTest, ACorrectionStandsBeforeANewerWinnerOfItsMillisecond) {  // 5.2, 5.6
  world_.push_and_settle("b", {update_of("r", timed("f", "1", -10))});
  const int64_t since = now();
  const auto loser = world_.push("a", {update_of("r", timed("f", "0", -20))}, since);
  world_.engine.run();
  world_.push("b", {update_of("r", timed("f", "2", -10))}, since);
  world_.engine.run();
  ASSERT_EQ(world_.store.questions.size(), 1u);
  ASSERT_EQ(world_.store.commits.size(), 1u);
  world_.store.answer_commit(CommitOutcome::kCommitted);
  world_.store.answer_lookup();
  world_.settle();
  ASSERT_FALSE(loser->changes.empty());
  EXPECT_THAT(loser->changes.back(), HasSubstr(field("f", "2", -10)));
}

TEST_F(CorrectionsTest, ManyEditsLostToOneLargeWinnerCostNoMoreThanTheirOwnSize) {
  const std::string large = '"' + std::string(1 << 20, 'x') + '"';
  world_.push_and_settle("a", {update_of("r", timed("f", large, -10))});
  std::vector<std::string> earlier;
  for (int i = 0; i < 5'000; ++i) earlier.push_back(update_of("r", timed("f", "1", -20 - i)));
  const Answer answer = world_.push_and_settle("b", earlier, now());
  EXPECT_EQ(answer.conflicts.size(), limits::kConflictsMax);
  EXPECT_EQ(answer.records.size(), 1u);
}

TEST_F(CorrectionsTest, AFailedLookupAfterTheCommitRefusesAndTheRepeatIsTold) {
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const std::vector<std::string> changes = {
      update_of("r", timed("f", "2", -20) + "," + timed("g", "2", -20))};
  const auto answer = world_.push("b", changes, now());
  world_.engine.run();
  world_.store.answer_commit(CommitOutcome::kCommitted);
  world_.engine.run();
  world_.store.fail_lookup();
  EXPECT_EQ(answer->error, ErrorCode::kUnavailable);
  const Answer again = world_.push_and_settle("b", changes, now());
  EXPECT_EQ(again.conflicts.size(), 1u);
  EXPECT_EQ(again.records.size(), 1u);
  EXPECT_EQ(world_.rows().size(), 2u);
}

TEST_F(CorrectionsTest, WinnersAreAskedForInOneQuestionForTheWholePush) {
  std::vector<std::string> later;
  std::vector<std::string> earlier;
  for (int i = 0; i < 50; ++i) {
    later.push_back(update_of(fmt::format("r{}", i), timed("f", "1", -10)));
    earlier.push_back(update_of(fmt::format("r{}", i), timed("f", "2", -20)));
  }
  world_.push_and_settle("a", later);
  world_.push("b", earlier, now());
  world_.engine.run();  // nothing to store
  ASSERT_EQ(world_.store.questions.size(), 1u);
  EXPECT_EQ(world_.store.questions[0].query.cells.size(), 50u);
  world_.settle();
}

TEST_F(CorrectionsTest, OtherPushesOfTheStreamDoNotWaitForTheQuestion) {
  world_.push_and_settle("a", {update_of("r", timed("f", "1", -10))});
  const auto loser = world_.push("b", {update_of("r", timed("f", "2", -20))});
  world_.engine.run();
  const auto other = world_.push("c", {update_of("r", timed("g", "2", -20))}, 0);
  world_.engine.run();
  ASSERT_EQ(world_.store.commits.size(), 1u);
  world_.store.answer_commit(CommitOutcome::kCommitted);
  EXPECT_FALSE(loser->came);
  world_.settle();
  EXPECT_TRUE(loser->ok());
  EXPECT_TRUE(other->ok());
}

}  // namespace
}  // namespace mana_sync::sync
