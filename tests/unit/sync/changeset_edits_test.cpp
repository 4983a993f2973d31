// What a change's edits are, and when each of them was made (PROTOCOL 2.6 to 2.8).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "changeset_fixture.h"
#include "json_tree.h"

namespace mana_sync::sync {
namespace {

using testing::kTenMs;

class ChangesetEditsTest : public testing::ChangesetTest {};

TEST_F(ChangesetEditsTest, ReadsAFieldsEditTime) {  // PROTOCOL 2.6
  const Change change = read_change(R"("op":"update","fields":{
      "updated":{"value":1,"updatedAt":"2024-01-01T10:00:00Z"},
      "at":{"value":1,"at":"2024-01-01T10:00:01Z"},
      "both":{"value":1,"updatedAt":"2024-01-01T10:00:09Z","at":"2024-01-01T10:00:02.9999Z"},
      "badUpdatedAtBeside":{"value":1,"updatedAt":"bad","at":"2024-01-01T10:00:02Z"},
      "nullAt":{"value":1,"at":null,"updatedAt":"2024-01-01T10:00:03Z"},
      "none":{"value":1},
      "nulls":{"value":1,"at":null,"updatedAt":null},
      "noValue":{"at":"2024-01-01T12:00:04+02:00"},
      "nullField":null,
      "empty":{}})");
  EXPECT_EQ(find(change, "updated")->time_ms, kTenMs);
  EXPECT_EQ(find(change, "at")->time_ms, kTenMs + 1000);
  EXPECT_EQ(find(change, "both")->time_ms, kTenMs + 2999);
  EXPECT_EQ(find(change, "badUpdatedAtBeside")->time_ms, kTenMs + 2000);
  EXPECT_EQ(find(change, "nullAt")->time_ms, kTenMs + 3000);
  EXPECT_EQ(find(change, "none")->time_ms, std::nullopt);
  EXPECT_EQ(find(change, "nulls")->time_ms, std::nullopt);
  EXPECT_EQ(find(change, "noValue")->time_ms, kTenMs + 4000);
  for (const char* field : {"noValue", "nullField", "empty"}) {
    EXPECT_EQ(find(change, field)->value, "null") << field;
    EXPECT_EQ(find(change, field)->value_hash, hash_of_null()) << field;
  }
  EXPECT_EQ(find(change, "nullField")->time_ms, std::nullopt);
}

TEST_F(ChangesetEditsTest, RefusesAnEditTimeThatIsNone) {  // PROTOCOL 2.6
  const std::string what = ": must be an RFC 3339 timestamp";
  for (const char* time : {"\"\"", "\"yesterday\"", "\"2024-01-01\"", "1704103200000", "{}", "[]",
                           "false", "\"2024-13-01T00:00:00Z\"", "\"2024-01-01T10:00:00\""}) {
    const auto field = [&](const std::string& key) {
      return change_error_of(R"("op":"update","fields":{"f.x":{"value":1,")" + key + "\":" + time +
                             "}}");
    };
    EXPECT_EQ(field("at"), "changes[0].fields.f.x.at" + what) << time;
    EXPECT_EQ(field("updatedAt"), "changes[0].fields.f.x.updatedAt" + what) << time;
    EXPECT_EQ(change_error_of(R"("op":"delete","deletedAt":)" + std::string(time)),
              "changes[0].deletedAt" + what)
        << time;
  }
}

TEST_F(ChangesetEditsTest, TakesFieldNamesAsTheyAre) {  // PROTOCOL 2.6
  const Change change = read_change(
      R"("op":"update","fields":{"a.b c":null,"ä😀":null,"":null,"q\"\\":null,"\u0061":null})");
  ASSERT_EQ(change.edits.size(), 5u);
  for (const char* field : {"a.b c", "ä😀", "", "q\"\\", "a"}) EXPECT_TRUE(find(change, field));
}

TEST_F(ChangesetEditsTest, TakesAnInsertsEditTimeFromItsData) {  // PROTOCOL 2.7
  struct Case {
    const char* data;
    InsertTime where;
    std::optional<int64_t> time_ms;
  };
  for (const Case& test : std::initializer_list<Case>{
           {R"({"f":1,"updatedAt":"2024-01-01T10:00:00Z"})", InsertTime::kUpdatedAt, kTenMs},
           {R"({"f":1,"createdAt":"2024-01-01T10:00:00Z"})", InsertTime::kCreatedAt, kTenMs},
           {R"({"f":1,"createdAt":"2020-01-01T10:00:00Z","updatedAt":"2024-01-01T10:00:00Z"})",
            InsertTime::kUpdatedAt, kTenMs},
           {R"({"f":1,"updatedAt":1704103200000,"createdAt":"2024-01-01T10:00:00Z"})",
            InsertTime::kCreatedAt, kTenMs},
           {R"({"f":1,"updatedAt":null,"createdAt":"2024-01-01T10:00:00Z"})",
            InsertTime::kCreatedAt, kTenMs},
           {R"({"f":1,"updatedAt":"soon","createdAt":{}})", InsertTime::kNone, std::nullopt},
           {R"({"f":1})", InsertTime::kNone, std::nullopt},
       }) {
    const Change change = read_change(R"("op":"insert","data":)" + std::string(test.data));
    EXPECT_EQ(change.insert_time, test.where) << test.data;
    EXPECT_EQ(find(change, "f")->time_ms, test.time_ms) << test.data;
    for (const Edit& edit : change.edits) EXPECT_EQ(edit.time_ms, test.time_ms) << test.data;
  }
}

TEST_F(ChangesetEditsTest, KeepsAnInsertsIdApartFromItsEdits) {  // PROTOCOL 2.7
  const Change insert = read_change(R"("op":"insert","data":{"id":7,"f":1,"\u0069d":[8]})");
  EXPECT_EQ(insert.insert_id, "[8]");
  EXPECT_EQ(insert.edits.size(), 1u);
  EXPECT_EQ(read_change(R"("op":"insert","data":{"f":1})").insert_id, "");
}

TEST_F(ChangesetEditsTest, TakesAnInsertWithoutDataAsEmpty) {
  for (const char* members :
       {R"("op":"insert")", R"("op":"insert","data":null)", R"("op":"insert","data":{})",
        R"("op":"insert","data":{"id":"r"})", R"("op":"insert","fields":{"x":null})"}) {
    const Change insert = read_change(members);
    EXPECT_EQ(insert.op, Op::kInsert);
    EXPECT_TRUE(insert.edits.empty()) << members;
    EXPECT_EQ(insert.insert_time, InsertTime::kNone);
  }
}

TEST_F(ChangesetEditsTest, TakesAnUpdateWithDataAtItsReceipt) {  // PROTOCOL 2.7
  const Change change =
      read_change(R"("op":"update","data":{"id":"r","f":1,"updatedAt":"2024-01-01T10:00:00Z"})");
  ASSERT_EQ(change.edits.size(), 2u);
  EXPECT_EQ(find(change, "f")->time_ms, std::nullopt);
  EXPECT_EQ(find(change, "updatedAt")->time_ms, std::nullopt);
  // `fields` counts where both are there, even if it is empty.
  EXPECT_TRUE(read_change(R"("op":"update","data":{"f":1},"fields":{})").edits.empty());
  EXPECT_EQ(read_change(R"("op":"update","data":{"f":1},"fields":null)").edits.size(), 1u);
}

TEST_F(ChangesetEditsTest, AcceptsAnUpdateOfNothing) {  // PROTOCOL 2.7
  EXPECT_TRUE(read_change(R"("op":"update","fields":{})").edits.empty());
  EXPECT_TRUE(read_change(R"("op":"update")").edits.empty());
}

TEST_F(ChangesetEditsTest, ReadsADelete) {  // PROTOCOL 2.8
  EXPECT_EQ(read_change(R"("op":"delete")").edits[0].time_ms, std::nullopt);
  EXPECT_EQ(read_change(R"("op":"delete","deletedAt":null)").edits[0].time_ms, std::nullopt);
  EXPECT_EQ(read_change(R"("op":"delete","deletedAt":"2024-01-01T10:00:00Z")").edits[0].time_ms,
            kTenMs);
}

TEST_F(ChangesetEditsTest, StoresADeletesOtherFieldsAsAnUpdateBeforeIt) {  // PROTOCOL 2.8
  const Changeset changeset = read(body_of(R"("op":"delete","deletedAt":"2024-01-01T10:00:00Z",
      "origin":"o","spaceId":"s","actor":{"a":1},
      "fields":{"f":{"value":1},"deletedAt":{"value":5,"at":"bad"}})"));
  ASSERT_EQ(changeset.changes.size(), 2u);
  const Change& update = changeset.changes[0];
  EXPECT_EQ(update.op, Op::kUpdate);
  ASSERT_EQ(update.edits.size(), 1u);
  EXPECT_EQ(update.edits[0].field, "f");
  const Change& removal = changeset.changes[1];
  EXPECT_EQ(removal.op, Op::kDelete);
  ASSERT_EQ(removal.edits.size(), 1u);
  EXPECT_EQ(removal.edits[0].time_ms, kTenMs);
  for (const Change& change : changeset.changes) {
    EXPECT_EQ(change.index, 0u);
    EXPECT_EQ(change.table, "t");
    EXPECT_EQ(change.record, "r");
    EXPECT_EQ(change.origin, "o");
    EXPECT_EQ(change.space_id, "s");
    EXPECT_EQ(change.actor, R"({"a":1})");
  }
}

TEST_F(ChangesetEditsTest, IgnoresWhatADeleteSaysOfDeletedAtInItsFields) {  // PROTOCOL 2.8
  const Change change = read_change(
      R"("op":"delete","fields":{"deletedAt":{"value":"2024-01-01T10:00:00Z","at":[]}})");
  EXPECT_EQ(change.op, Op::kDelete);
  EXPECT_EQ(change.edits[0].time_ms, std::nullopt);
}

TEST_F(ChangesetEditsTest, ReadsAnUndeleteAsAnUpdateOfDeletedAt) {  // PROTOCOL 2.8
  const Change change = read_change(
      R"("op":"update","fields":{"deletedAt":{"value":null,"at":"2024-01-01T10:00:00Z"}})");
  EXPECT_EQ(change.op, Op::kUpdate);
  EXPECT_EQ(find(change, "deletedAt")->value, "null");
}

TEST_F(ChangesetEditsTest, OfTwoEditsOfOneFieldTakesTheLastHoweverManyThereAre) {  // PROTOCOL 2.10
  for (const int fields : {2, 15, 16, 17, 18, 40}) {
    std::string members;
    for (const int value : {1, 2}) {
      for (int i = 0; i < fields; ++i) {
        members += fmt::format(R"({}"f{}":{})", members.empty() ? "" : ",", i, value * 100 + i);
      }
    }
    const Change change = read_change(R"("op":"update","data":{)" + members + "}");
    ASSERT_EQ(change.edits.size(), static_cast<size_t>(fields));
    for (int i = 0; i < fields; ++i) {
      EXPECT_EQ(change.edits[static_cast<size_t>(i)].field, fmt::format("f{}", i));
      EXPECT_EQ(change.edits[static_cast<size_t>(i)].value, std::to_string(200 + i));
    }
  }
}

}  // namespace
}  // namespace mana_sync::sync
