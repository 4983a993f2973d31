#include "mana_sync/sync/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mana_sync/base/timestamp.h"
#include "merge_world.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class MergeTest : public ::testing::Test {
 protected:
  MergeWorld world_;
};

// --- 5.1, 5.2: who wins --------------------------------------------------------------------------

TEST_F(MergeTest, AnEditOfAnEmptyCellWins) {  // PROTOCOL 5.2
  const auto outcome = world_.push("a", {update_of("r", field_of("f", "1", time_at(-1000)))});
  ASSERT_EQ(outcome.rows.size(), 1u);
  const StoredRow& row = outcome.rows[0];
  EXPECT_EQ(row.op, Op::kUpdate);
  EXPECT_EQ(row.table, "t");
  EXPECT_EQ(row.record, "r");
  EXPECT_EQ(row.client_id, "a");
  EXPECT_EQ(row.data, R"({"f":1})");
  EXPECT_EQ(row.field_timestamps, R"({"f":"2024-01-01T11:59:59.000Z"})");
  EXPECT_EQ(row.stamp_us, kBeginMs * 1000);
}

TEST_F(MergeTest, ALaterEditWins_AnEarlierOneLoses) {  // PROTOCOL 5.2, 5.4
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1000)))});
  const auto earlier = world_.push("b", {update_of("r", field_of("f", "0", time_at(-1001)))});
  EXPECT_TRUE(earlier.rows.empty());
  ASSERT_EQ(earlier.lost.size(), 1u);
  EXPECT_EQ(earlier.lost[0].change, 0u);
  EXPECT_EQ(earlier.lost[0].edit, 0u);
  EXPECT_EQ(world_.push("b", {update_of("r", field_of("f", "2", time_at(-999)))}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_F(MergeTest, ATieBetweenTwoClientsStaysWithTheFirst) {  // PROTOCOL 5.2
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1000)))});
  const auto tie = world_.push("b", {update_of("r", field_of("f", "2", time_at(-1000)))});
  EXPECT_TRUE(tie.rows.empty());
  EXPECT_EQ(tie.lost.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "1");
}

TEST_F(MergeTest, AClientOverwritesItselfInTheSameMillisecond) {  // PROTOCOL 5.2
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1000)))});
  EXPECT_EQ(world_.push("a", {update_of("r", field_of("f", "2", time_at(-1000)))}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_F(MergeTest, AClientsOwnEarlierEditLoses) {  // PROTOCOL 5.2
  world_.push("a", {update_of("r", field_of("f", "2", time_at(-1000)))});
  const auto outcome = world_.push("a", {update_of("r", field_of("f", "1", time_at(-2000)))});
  EXPECT_TRUE(outcome.rows.empty());
  EXPECT_EQ(outcome.lost.size(), 1u);
}

TEST_F(MergeTest, FinerDigitsOfAnEditTimeAreCut) {  // PROTOCOL 5.1
  world_.push("a", {update_of("r", field_of("f", "1", "\"2024-01-01T10:00:00.0001Z\""))});
  const auto tie =
      world_.push("b", {update_of("r", field_of("f", "2", "\"2024-01-01T10:00:00.0009Z\""))});
  EXPECT_TRUE(tie.rows.empty());
  EXPECT_EQ(world_.rows[0].field_timestamps, R"({"f":"2024-01-01T10:00:00.000Z"})");
}

TEST_F(MergeTest, CellsOfOtherFieldsRecordsAndTablesAreTheirOwn) {  // PROTOCOL 5.1
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1)))});
  const auto outcome =
      world_.push("b", {update_of("r", field_of("g", "1", time_at(-9))),
                        update_of("q", field_of("f", "1", time_at(-9))),
                        R"({"table":"u","id":"r","op":"update","fields":{"f":{"value":1,"at":)" +
                            time_at(-9) + "}}}"});
  EXPECT_EQ(outcome.rows.size(), 3u);
  EXPECT_TRUE(outcome.lost.empty());
}

TEST_F(MergeTest, LaterChangesOfAPushSeeTheEarlierOnes) {
  const auto outcome = world_.push("a", {update_of("r", field_of("f", "1", time_at(-5))),
                                         update_of("r", field_of("f", "2", time_at(-9))),
                                         update_of("r", field_of("f", "3", time_at(-1)))});
  EXPECT_EQ(outcome.rows.size(), 2u);
  EXPECT_EQ(outcome.lost.size(), 1u);
  EXPECT_EQ(world_.value("r", "f"), "3");
}

// --- 5.3: repeats --------------------------------------------------------------------------------

TEST_F(MergeTest, AnEditThatSaysWhatTheWinnerSaysStoresNothing_WhoeverSaysIt) {  // PROTOCOL 5.3
  world_.push("a", {update_of("r", field_of("f", R"({"x":1,"y":[2]})", time_at(-5)))});
  for (const char* client : {"a", "b"}) {
    const auto outcome = world_.push(
        client, {update_of("r", field_of("f", R"({"y":[2.0],"x":10e-1})", time_at(-5)))});
    EXPECT_TRUE(outcome.rows.empty());
    EXPECT_TRUE(outcome.lost.empty());
  }
}

// --- 5.4: what is left of a change ---------------------------------------------------------------

TEST_F(MergeTest, AnInsertThatWinsEverythingIsStoredAsItWas) {  // PROTOCOL 5.4
  const auto outcome = world_.push(
      "a", {insert_of("r", R"({"id":"r","f":1,"g":[1.50],"createdAt":)" + time_at(-7) + "}")});
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].op, Op::kInsert);
  EXPECT_EQ(outcome.rows[0].data, R"({"id":"r","f":1,"g":[1.50],"createdAt":)" + time_at(-7) + "}");
  EXPECT_EQ(outcome.rows[0].field_timestamps, R"({"f":)" + time_at(-7) + R"(,"g":)" + time_at(-7) +
                                                  R"(,"createdAt":)" + time_at(-7) + "}");
}

TEST_F(MergeTest, AnInsertThatLostAFieldIsStoredAsAnUpdateAtItsTime) {  // PROTOCOL 5.4
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1)))});
  const auto outcome = world_.push(
      "b", {insert_of("r", R"({"id":"r","f":2,"g":3,"updatedAt":)" + time_at(-7) + "}")});
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].op, Op::kUpdate);
  EXPECT_EQ(outcome.rows[0].data, R"({"g":3,"updatedAt":)" + time_at(-7) + "}");
  EXPECT_EQ(outcome.rows[0].field_timestamps,
            R"({"g":)" + time_at(-7) + R"(,"updatedAt":)" + time_at(-7) + "}");
  ASSERT_EQ(outcome.lost.size(), 1u);
  EXPECT_EQ(outcome.lost[0].edit, 0u);
}

TEST_F(MergeTest, AnUpdateKeepsTheFieldsThatWon) {  // PROTOCOL 5.4
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1)))});
  const auto outcome = world_.push("b", {update_of("r", field_of("f", "2", time_at(-5)) + "," +
                                                            field_of("g", "3", time_at(-6)))});
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].data, R"({"g":3})");
  EXPECT_EQ(outcome.rows[0].field_timestamps, R"({"g":)" + time_at(-6) + "}");
}

TEST_F(MergeTest, NothingLeftMeansNothingStored) {  // PROTOCOL 5.4, 2.7
  world_.push("a", {update_of("r", field_of("f", "1", time_at(-1)))});
  EXPECT_TRUE(world_.push("b", {update_of("r", "")}).rows.empty());
  EXPECT_TRUE(world_.push("b", {update_of("r", field_of("f", "2", time_at(-5)))}).rows.empty());
}

TEST_F(MergeTest, HandsTheEnvelopeOn) {  // PROTOCOL 2.9
  const auto outcome = world_.push(
      "a", {R"({"table":"t","id":"r","op":"delete","actor":{"n":"x"},"origin":"o","spaceId":"s",)"
            R"("fields":{"f":{"value":1}}})"});
  ASSERT_EQ(outcome.rows.size(), 2u);
  for (const StoredRow& row : outcome.rows) {
    EXPECT_EQ(row.actor, R"({"n":"x"})");
    EXPECT_EQ(row.origin, "o");
    EXPECT_EQ(row.space_id, "s");
    EXPECT_EQ(row.schema_version, 1);
  }
}

// --- 2.6, 2.7, 2.8: times of receipt -------------------------------------------------------------

TEST_F(MergeTest, AnEditWithoutATimeIsTakenAtItsReceipt_RoundedUp) {  // PROTOCOL 2.6, 5.8
  world_.clock.advance_us(1);
  const auto outcome = world_.push("a", {update_of("r", field_of("f", "1"))});
  EXPECT_EQ(outcome.rows[0].stamp_us, kBeginMs * 1000 + 1);
  EXPECT_EQ(outcome.rows[0].field_timestamps, R"({"f":)" + time_at(1) + "}");
}

TEST_F(MergeTest, AnInsertWithoutATimeIsSentOnWithOne) {  // PROTOCOL 2.7
  const auto outcome = world_.push("a", {insert_of("r", R"({"id":"r","f":1})")});
  EXPECT_EQ(outcome.rows[0].op, Op::kInsert);
  EXPECT_EQ(outcome.rows[0].data, R"({"id":"r","f":1,"updatedAt":)" + time_at(0) + "}");
  EXPECT_EQ(outcome.rows[0].field_timestamps,
            R"({"f":)" + time_at(0) + R"(,"updatedAt":)" + time_at(0) + "}");
}

TEST_F(MergeTest, AnInsertsUpdatedAtThatIsNoTimeIsOverwritten) {  // PROTOCOL 2.7
  const auto outcome = world_.push("a", {insert_of("r", R"({"updatedAt":17,"f":1})")});
  EXPECT_EQ(outcome.rows[0].data, R"({"updatedAt":)" + time_at(0) + R"(,"f":1})");
  EXPECT_EQ(outcome.rows[0].op, Op::kInsert);
}

TEST_F(MergeTest, AnInsertOfNothingIsStoredWithItsTime) {
  const auto outcome = world_.push("a", {insert_of("r", "{}")});
  EXPECT_EQ(outcome.rows[0].op, Op::kInsert);
  EXPECT_EQ(outcome.rows[0].data, R"({"updatedAt":)" + time_at(0) + "}");
}

TEST_F(MergeTest, ADeleteIsAnEditOfDeletedAt) {  // PROTOCOL 2.8
  const auto timed = world_.push("a", {delete_of("r", "\"2024-01-01T12:00:00.0009+01:00\"")});
  EXPECT_EQ(timed.rows[0].op, Op::kDelete);
  EXPECT_EQ(timed.rows[0].data, R"({"deletedAt":"2024-01-01T11:00:00.000Z"})");
  EXPECT_EQ(timed.rows[0].field_timestamps, R"({"deletedAt":"2024-01-01T11:00:00.000Z"})");
  const auto timeless = world_.push("a", {delete_of("q")});
  EXPECT_EQ(timeless.rows[0].data, R"({"deletedAt":)" + time_at(1) + "}");
  EXPECT_EQ(timeless.rows[0].stamp_us, kBeginMs * 1000 + 1);
}

TEST_F(MergeTest, ALateEditOfADeletedRecordIsStoredAndLeavesItDeleted) {  // PROTOCOL 2.8
  world_.push("a", {insert_of("r", R"({"f":1,"updatedAt":)" + time_at(-9000) + "}")});
  world_.push("a", {delete_of("r", time_at(-5000))});
  EXPECT_EQ(world_.push("b", {update_of("r", field_of("f", "2", time_at(-6000)))}).rows.size(), 1u);
  EXPECT_EQ(world_.value("r", "deletedAt"), time_at(-5000));
  EXPECT_EQ(world_.value("r", "f"), "2");
}

TEST_F(MergeTest, AnUndeleteIsALaterNull) {  // PROTOCOL 2.8
  world_.push("a", {delete_of("r", time_at(-5000))});
  EXPECT_TRUE(world_.push("b", {update_of("r", field_of("deletedAt", "null", time_at(-6000)))})
                  .rows.empty());
  EXPECT_EQ(
      world_.push("b", {update_of("r", field_of("deletedAt", "null", time_at(-4000)))}).rows.size(),
      1u);
  EXPECT_EQ(world_.value("r", "deletedAt"), "null");
  EXPECT_TRUE(world_.push("a", {delete_of("r", time_at(-4500))}).rows.empty());
}

// --- 5.7: clocks that run ahead ------------------------------------------------------------------

TEST_F(MergeTest, AnEditTimeFarInTheFutureIsTakenAtReceipt_AndCounted) {  // PROTOCOL 5.7
  const auto on_the_edge = world_.push("a", {update_of("r", field_of("f", "1", time_at(300'000)))});
  EXPECT_EQ(on_the_edge.rows[0].field_timestamps, R"({"f":)" + time_at(300'000) + "}");
  EXPECT_EQ(world_.clamped.value(), 0);
  world_.pass_ms(1);
  const auto beyond = world_.push("a", {update_of("q", field_of("f", "1", time_at(300'002)))});
  EXPECT_EQ(beyond.rows[0].field_timestamps, R"({"f":)" + time_at(1) + "}");
  EXPECT_EQ(world_.clamped.value(), 1);
}

TEST_F(MergeTest, AClampedInsertSaysItsReceiptWhereItsTimeStood) {  // PROTOCOL 5.7
  const std::string future = "\"2030-01-01T00:00:00Z\"";
  const auto updated = world_.push(
      "a", {insert_of("r", R"({"createdAt":"x","updatedAt":)" + future + R"(,"f":1})")});
  EXPECT_EQ(updated.rows[0].op, Op::kInsert);
  EXPECT_EQ(updated.rows[0].data, R"({"createdAt":"x","updatedAt":)" + time_at(0) + R"(,"f":1})");
  const auto created = world_.push("a", {insert_of("q", R"({"f":1,"createdAt":)" + future + "}")});
  EXPECT_EQ(created.rows[0].data, R"({"f":1,"createdAt":)" + time_at(1) + "}");
  EXPECT_EQ(created.rows[0].field_timestamps,
            R"({"f":)" + time_at(1) + R"(,"createdAt":)" + time_at(1) + "}");
  EXPECT_EQ(world_.clamped.value(), 2);
}

TEST_F(MergeTest, AClampedDeleteSaysItsReceipt) {  // PROTOCOL 5.7, 2.8
  const auto outcome = world_.push("a", {delete_of("r", "\"2030-01-01T00:00:00Z\"")});
  EXPECT_EQ(outcome.rows[0].data, R"({"deletedAt":)" + time_at(0) + "}");
  EXPECT_EQ(world_.clamped.value(), 1);
}

TEST_F(MergeTest, AFieldAtAWrongClockIsOwnedForNoTime) {  // PROTOCOL 5.7
  world_.push("a", {update_of("r", field_of("f", "1", "\"2099-01-01T00:00:00Z\""))});
  world_.pass_ms(2000);
  EXPECT_EQ(world_.push("b", {update_of("r", field_of("f", "2", time_at(1000)))}).rows.size(), 1u);
}

// --- 5.8: create, then type ----------------------------------------------------------------------

TEST_F(MergeTest, CreateThenTypeInOnePushKeepsWhatWasTyped) {  // PROTOCOL 5.8
  const auto outcome = world_.push(
      "a", {insert_of("r", R"({"f":""})"), update_of("r", field_of("f", "\"x\"", time_at(-50)))});
  ASSERT_EQ(outcome.rows.size(), 2u);
  EXPECT_EQ(outcome.rows[1].data, R"({"f":"x"})");
  EXPECT_EQ(outcome.rows[1].field_timestamps, R"({"f":)" + time_at(1) + "}");
  EXPECT_EQ(outcome.rows[1].stamp_us, kBeginMs * 1000 + 1);
  EXPECT_TRUE(outcome.lost.empty());
}

TEST_F(MergeTest, CreateThenTypeInTwoPushesKeepsWhatWasTyped) {  // PROTOCOL 5.8
  for (const bool evicted : {false, true}) {
    MergeWorld world;
    world.push("a", {insert_of("r", R"({"f":""})")});
    world.pass_ms(1000);
    if (evicted) world.reload();
    const auto outcome = world.push("a", {update_of("r", field_of("f", "\"x\"", time_at(-50)))});
    ASSERT_EQ(outcome.rows.size(), 1u);
    EXPECT_EQ(outcome.rows[0].field_timestamps, R"({"f":)" + time_at(1000) + "}");
    EXPECT_EQ(world.value("r", "f"), "\"x\"");
  }
}

TEST_F(MergeTest, TypingOnKeepsTheLastOfWhatWasTyped) {  // PROTOCOL 5.8
  const std::vector<std::string> typed = {insert_of("r", R"({"f":""})"),
                                          update_of("r", field_of("f", "\"x\"", time_at(-50))),
                                          update_of("r", field_of("f", "\"xy\"", time_at(-40))),
                                          update_of("r", field_of("f", "\"x\"", time_at(-30)))};
  world_.push("a", typed);
  EXPECT_EQ(world_.value("r", "f"), "\"x\"");
  EXPECT_EQ(world_.rows.size(), 4u);
}

TEST_F(MergeTest, AnotherClientsEarlierEditDoesNotWinOverAReceipt) {  // PROTOCOL 5.8
  world_.push("a", {insert_of("r", R"({"f":""})")});
  const auto outcome = world_.push("b", {update_of("r", field_of("f", "1", time_at(-50)))});
  EXPECT_TRUE(outcome.rows.empty());
  EXPECT_EQ(outcome.lost.size(), 1u);
}

TEST_F(MergeTest, ADeleteOfWhatWasJustUndeletedWins) {  // PROTOCOL 5.8, 2.8
  world_.push("a", {update_of("r", field_of("deletedAt", "null"))});
  world_.pass_ms(10);
  const auto outcome = world_.push("a", {delete_of("r", time_at(-5))});
  ASSERT_EQ(outcome.rows.size(), 1u);
  EXPECT_EQ(outcome.rows[0].data, R"({"deletedAt":)" + time_at(10) + "}");
  EXPECT_EQ(outcome.rows[0].field_timestamps, R"({"deletedAt":)" + time_at(10) + "}");
}

TEST_F(MergeTest,
       AnEditAtItsVeryReceiptCountsAsReceiptTimed_InMemoryAsInTheTable) {  // PROTOCOL 5.8
  for (const bool evicted : {false, true}) {
    MergeWorld world;
    world.push("a", {update_of("r", field_of("f", "1", time_at(0)))});
    if (evicted) world.reload();
    world.pass_ms(5);
    EXPECT_EQ(world.push("a", {update_of("r", field_of("f", "2", time_at(-5)))}).rows.size(), 1u);
  }
}

TEST_F(MergeTest, AnInsertAtItsVeryReceiptKeepsItsTimeAsWritten) {  // PROTOCOL 2.2
  const std::string insert = insert_of("r", R"({"f":1,"updatedAt":"2024-01-01T13:00:00+01:00"})");
  EXPECT_EQ(world_.push("a", {insert}).rows[0].data,
            R"({"f":1,"updatedAt":"2024-01-01T13:00:00+01:00"})");
  EXPECT_TRUE(world_.push("a", {insert}).rows.empty());
}

}  // namespace
}  // namespace mana_sync::sync
