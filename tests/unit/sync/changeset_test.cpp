#include "mana_sync/sync/changeset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "json_tree.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kTenMs = 1'704'103'200'000;  // 2024-01-01T10:00:00Z
constexpr std::string_view kTen = "2024-01-01T10:00:00Z";

class ChangesetTest : public ::testing::Test {
 protected:
  Result<Changeset> try_read(std::string body) { return reader_.read(body); }

  Changeset read(std::string body) {
    auto changeset = try_read(body);
    EXPECT_TRUE(changeset) << body << "\n" << (changeset ? "" : changeset.error().message);
    return changeset ? std::move(*changeset) : Changeset{};
  }

  // The one change that `members` make, with a table and an id.
  Change read_change(std::string_view members) {
    changeset_ = read(body_of(members));
    EXPECT_EQ(changeset_.changes.size(), 1u) << members;
    return changeset_.changes.empty() ? Change{} : changeset_.changes[0];
  }

  std::string error_of(std::string body) {
    const auto changeset = try_read(body);
    if (changeset) return "accepted";
    EXPECT_EQ(changeset.error().code, ErrorCode::kInvalid);
    return changeset.error().message;
  }
  std::string change_error_of(std::string_view members) { return error_of(body_of(members)); }

  static std::string body_of(std::string_view members) {
    return R"({"changes":[{"table":"t","id":"r",)" + std::string(members) + "}]}";
  }

  static const Edit* find(const Change& change, std::string_view field) {
    for (const Edit& edit : change.edits) {
      if (edit.field == field) return &edit;
    }
    return nullptr;
  }

  Counter sanitized_;
  ChangesetReader reader_{sanitized_};
  Changeset changeset_;
};

TEST_F(ChangesetTest, ReadsThePushOfTheContract) {  // PROTOCOL 2
  const Changeset changeset = read(R"(
    { "clientId": "chrome-tab-abc123", "since": "2024-01-01T10:00:00.000Z",
      "changes": [
        { "table": "todos", "id": "todo-123", "op": "update",
          "fields": { "title":     { "value": "Buy milk", "updatedAt": "2024-01-01T10:05:00Z" },
                      "completed": { "value": true,       "updatedAt": "2024-01-01T10:06:00Z" } } },
        { "table": "todos", "id": "todo-124", "op": "insert",
          "data": { "id": "todo-124", "title": "x", "createdAt": "2024-01-01T10:05:00Z" } },
        { "table": "todos", "id": "todo-125", "op": "delete", "deletedAt": "2024-01-01T10:07:00Z" }
      ] })");
  EXPECT_EQ(changeset.client_id, "chrome-tab-abc123");
  EXPECT_EQ(changeset.since_us, kTenMs * 1000);
  ASSERT_EQ(changeset.changes.size(), 3u);

  const Change& update = changeset.changes[0];
  EXPECT_EQ(update.op, Op::kUpdate);
  EXPECT_EQ(update.table, "todos");
  EXPECT_EQ(update.record, "todo-123");
  ASSERT_EQ(update.edits.size(), 2u);
  EXPECT_EQ(find(update, "title")->value, "\"Buy milk\"");
  EXPECT_EQ(find(update, "title")->time_ms, kTenMs + 300'000);
  EXPECT_EQ(find(update, "completed")->value, "true");
  EXPECT_EQ(find(update, "completed")->time_ms, kTenMs + 360'000);

  const Change& insert = changeset.changes[1];
  EXPECT_EQ(insert.op, Op::kInsert);
  EXPECT_EQ(insert.insert_time, InsertTime::kCreatedAt);
  EXPECT_EQ(insert.insert_id, "\"todo-124\"");
  ASSERT_EQ(insert.edits.size(), 2u);
  EXPECT_EQ(find(insert, "title")->time_ms, kTenMs + 300'000);
  EXPECT_EQ(find(insert, "createdAt")->time_ms, kTenMs + 300'000);

  const Change& removal = changeset.changes[2];
  EXPECT_EQ(removal.op, Op::kDelete);
  ASSERT_EQ(removal.edits.size(), 1u);
  EXPECT_EQ(removal.edits[0].field, "deletedAt");
  EXPECT_EQ(removal.edits[0].time_ms, kTenMs + 420'000);
}

TEST_F(ChangesetTest, RefusesABodyThatIsNotOneObject) {  // PROTOCOL 2.10
  const std::string valid = body_of(R"("op":"delete")");
  for (const std::string& body : std::initializer_list<std::string>{
           "", "[]", "1", "null", "\"x\"", valid.substr(0, valid.size() - 1), valid + "x",
           valid + valid, "\xef\xbb\xbf" + valid,
           R"({"a":")"
           "\xff"
           R"("})"}) {
    EXPECT_NE(error_of(body), "accepted") << body;
  }
  EXPECT_EQ(error_of("[]"), "the body must be one JSON object");
  EXPECT_EQ(error_of("7"), "the body must be one JSON object");
}

TEST_F(ChangesetTest, TakesChangesThatAreAbsentNullOrEmptyAsNone) {  // PROTOCOL 2.9, 2.10
  for (const char* body : {"{}", R"({"changes":null})", R"({"changes":[]})",
                           R"({"clientId":null,"since":null,"schemaVersion":null})"}) {
    EXPECT_TRUE(read(body).changes.empty()) << body;
  }
  for (const char* body : {R"({"changes":{}})", R"({"changes":"x"})", R"({"changes":0})",
                           R"({"changes":[],"changes":false})"}) {
    EXPECT_EQ(error_of(body), "changes: must be an array") << body;
  }
}

TEST_F(ChangesetTest, NamesThePlaceOfAChangeThatIsRefused) {  // PROTOCOL 2.10
  const auto third = [this](std::string_view change) {
    const std::string good = R"({"table":"t","id":"r","op":"delete"},)";
    return error_of(R"({"changes":[)" + good + good + good + std::string(change) + "]}");
  };
  EXPECT_EQ(third("null"), "changes[3]: must be an object");
  EXPECT_EQ(third("[]"), "changes[3]: must be an object");
  EXPECT_EQ(third(R"({"id":"r","op":"delete"})"), "changes[3].table: is missing");
  EXPECT_EQ(third(R"({"table":null,"id":"r","op":"delete"})"), "changes[3].table: is missing");
  EXPECT_EQ(third(R"({"table":"","id":"r","op":"delete"})"), "changes[3].table: must not be empty");
  EXPECT_EQ(third(R"({"table":1,"id":"r","op":"delete"})"), "changes[3].table: must be a string");
  EXPECT_EQ(third(R"({"table":"t","op":"delete"})"), "changes[3].id: is missing");
  EXPECT_EQ(third(R"({"table":"t","id":7,"op":"delete"})"), "changes[3].id: must be a string");
  EXPECT_EQ(third(R"({"table":"t","id":"","op":"delete"})"), "changes[3].id: must not be empty");
  for (const char* op : {R"("op":"upsert")", R"("op":"Insert")", R"("op":1)", R"("op":null)",
                         R"("op":"")", R"("x":1)"}) {
    EXPECT_EQ(third(R"({"table":"t","id":"r",)" + std::string(op) + "}"),
              "changes[3].op: must be insert, update or delete");
  }
  EXPECT_EQ(third(R"({"table":"t","id":"r","op":"update","fields":{"x":{"value":1e999}}})"),
            "changes[3].fields.x.value: a number beyond the range of a double");
}

TEST_F(ChangesetTest, BoundsNames) {  // PROTOCOL 2.10
  const std::string longest(limits::kNameBytesMax, 'x');
  const auto body = [](const std::string& table, const std::string& id) {
    return R"({"changes":[{"table":")" + table + R"(","id":")" + id + R"(","op":"delete"}]})";
  };
  EXPECT_EQ(read(body(longest, longest)).changes[0].record, longest);
  EXPECT_EQ(error_of(body(longest + "x", "r")), "changes[0].table: longer than 1024 bytes");
  EXPECT_EQ(error_of(body("t", longest + "x")), "changes[0].id: longer than 1024 bytes");
  // Bytes as unescaped, not as written.
  EXPECT_EQ(read(body("t", "\\u0078" + longest.substr(1))).changes[0].record, longest);
}

TEST_F(ChangesetTest, BoundsLabels) {  // PROTOCOL 2.10
  const std::string longest(255, 'x');
  const std::string op = R"("op":"delete",)";
  EXPECT_EQ(read(R"({"clientId":")" + longest + "\"}").client_id, longest);
  EXPECT_EQ(error_of(R"({"clientId":")" + longest + "x\"}"), "clientId: longer than 255 bytes");
  EXPECT_EQ(error_of(R"({"clientId":5})"), "clientId: must be a string");
  EXPECT_EQ(read_change(op + R"("origin":")" + longest + '"').origin, longest);
  EXPECT_EQ(change_error_of(op + R"("origin":")" + longest + "x\""),
            "changes[0].origin: longer than 255 bytes");
  EXPECT_EQ(change_error_of(op + R"("origin":{})"), "changes[0].origin: must be a string");
  EXPECT_EQ(change_error_of(op + R"("spaceId":")" + longest + "x\""),
            "changes[0].spaceId: longer than 255 bytes");
  EXPECT_EQ(change_error_of(op + R"("spaceId":1)"), "changes[0].spaceId: must be a string");
}

TEST_F(ChangesetTest, RefusesWrongTypes) {  // PROTOCOL 2.10
  const std::string update = R"("op":"update",)";
  EXPECT_EQ(change_error_of(update + R"("fields":[])"), "changes[0].fields: must be an object");
  EXPECT_EQ(change_error_of(update + R"("fields":{"a b":5})"),
            "changes[0].fields.a b: must be an object");
  EXPECT_EQ(change_error_of(update + R"("data":"x")"), "changes[0].data: must be an object");
  EXPECT_EQ(change_error_of(update + R"("actor":"x")"), "changes[0].actor: must be an object");
  EXPECT_EQ(change_error_of(R"("op":"insert","data":[1])"), "changes[0].data: must be an object");
}

TEST_F(ChangesetTest, UnderstandsAnySchemaVersionUpToTheMaximum) {  // PROTOCOL 2.9
  EXPECT_EQ(read_change(R"("op":"delete")").schema_version, 1);
  EXPECT_EQ(read_change(R"("op":"delete","schemaVersion":1)").schema_version, 1);
  EXPECT_EQ(read_change(R"("op":"delete","schemaVersion":null)").schema_version, 1);
  for (const char* version : {"2", "0", "-1", "1.5", "\"1\"", "99999999999999999999", "true"}) {
    const std::string member = R"("schemaVersion":)" + std::string(version);
    EXPECT_EQ(change_error_of(R"("op":"delete",)" + member),
              "changes[0].schemaVersion: must be a whole number from 1 to the maximum, 1");
    EXPECT_EQ(error_of("{" + member + "}"),
              "schemaVersion: must be a whole number from 1 to the maximum, 1");
  }
}

TEST_F(ChangesetTest, ReadsSince) {  // PROTOCOL 2.5
  const auto since = [this](const std::string& json) {
    return read(R"({"since":)" + json + "}").since_us;
  };
  EXPECT_EQ(read("{}").since_us, 0);
  for (const char* json :
       {"null", "\"\"", "\"yesterday\"", "17", "{}", "\"1960-01-01T00:00:00Z\""}) {
    EXPECT_EQ(since(json), 0) << json;
  }
  EXPECT_EQ(since(R"("2024-01-01T10:00:00.123456Z")"), kTenMs * 1000 + 123'456);
  EXPECT_EQ(since(R"("2024-01-01T12:00:00+02:00")"), kTenMs * 1000);
  EXPECT_EQ(since(R"("2024-01-01T12:00:00 02:00")"), kTenMs * 1000);
  EXPECT_EQ(since(R"("2024-01-01T10:00:00.123456789Z")"), kTenMs * 1000 + 123'456);
}

TEST_F(ChangesetTest, ReadsAFieldsEditTime) {  // PROTOCOL 2.6
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

TEST_F(ChangesetTest, RefusesAnEditTimeThatIsNone) {  // PROTOCOL 2.6
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

TEST_F(ChangesetTest, TakesFieldNamesAsTheyAre) {  // PROTOCOL 2.6
  const Change change = read_change(
      R"("op":"update","fields":{"a.b c":null,"ä😀":null,"":null,"q\"\\":null,"\u0061":null})");
  ASSERT_EQ(change.edits.size(), 5u);
  for (const char* field : {"a.b c", "ä😀", "", "q\"\\", "a"}) EXPECT_TRUE(find(change, field));
}

TEST_F(ChangesetTest, TakesAnInsertsEditTimeFromItsData) {  // PROTOCOL 2.7
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

TEST_F(ChangesetTest, KeepsAnInsertsIdApartFromItsEdits) {  // PROTOCOL 2.7
  const Change insert = read_change(R"("op":"insert","data":{"id":7,"f":1,"\u0069d":[8]})");
  EXPECT_EQ(insert.insert_id, "[8]");
  EXPECT_EQ(insert.edits.size(), 1u);
  EXPECT_EQ(read_change(R"("op":"insert","data":{"f":1})").insert_id, "");
}

TEST_F(ChangesetTest, TakesAnInsertWithoutDataAsEmpty) {
  for (const char* members :
       {R"("op":"insert")", R"("op":"insert","data":null)", R"("op":"insert","data":{})",
        R"("op":"insert","data":{"id":"r"})", R"("op":"insert","fields":{"x":null})"}) {
    const Change insert = read_change(members);
    EXPECT_EQ(insert.op, Op::kInsert);
    EXPECT_TRUE(insert.edits.empty()) << members;
    EXPECT_EQ(insert.insert_time, InsertTime::kNone);
  }
}

TEST_F(ChangesetTest, TakesAnUpdateWithDataAtItsReceipt) {  // PROTOCOL 2.7
  const Change change =
      read_change(R"("op":"update","data":{"id":"r","f":1,"updatedAt":"2024-01-01T10:00:00Z"})");
  ASSERT_EQ(change.edits.size(), 2u);
  EXPECT_EQ(find(change, "f")->time_ms, std::nullopt);
  EXPECT_EQ(find(change, "updatedAt")->time_ms, std::nullopt);
  // `fields` counts where both are there, even if it is empty.
  EXPECT_TRUE(read_change(R"("op":"update","data":{"f":1},"fields":{})").edits.empty());
  EXPECT_EQ(read_change(R"("op":"update","data":{"f":1},"fields":null)").edits.size(), 1u);
}

TEST_F(ChangesetTest, AcceptsAnUpdateOfNothing) {  // PROTOCOL 2.7
  EXPECT_TRUE(read_change(R"("op":"update","fields":{})").edits.empty());
  EXPECT_TRUE(read_change(R"("op":"update")").edits.empty());
}

TEST_F(ChangesetTest, ReadsADelete) {  // PROTOCOL 2.8
  EXPECT_EQ(read_change(R"("op":"delete")").edits[0].time_ms, std::nullopt);
  EXPECT_EQ(read_change(R"("op":"delete","deletedAt":null)").edits[0].time_ms, std::nullopt);
  EXPECT_EQ(read_change(R"("op":"delete","deletedAt":"2024-01-01T10:00:00Z")").edits[0].time_ms,
            kTenMs);
}

TEST_F(ChangesetTest, StoresADeletesOtherFieldsAsAnUpdateBeforeIt) {  // PROTOCOL 2.8
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

TEST_F(ChangesetTest, IgnoresWhatADeleteSaysOfDeletedAtInItsFields) {  // PROTOCOL 2.8
  const Change change = read_change(
      R"("op":"delete","fields":{"deletedAt":{"value":"2024-01-01T10:00:00Z","at":[]}})");
  EXPECT_EQ(change.op, Op::kDelete);
  EXPECT_EQ(change.edits[0].time_ms, std::nullopt);
}

TEST_F(ChangesetTest, ReadsAnUndeleteAsAnUpdateOfDeletedAt) {  // PROTOCOL 2.8
  const Change change = read_change(
      R"("op":"update","fields":{"deletedAt":{"value":null,"at":"2024-01-01T10:00:00Z"}})");
  EXPECT_EQ(change.op, Op::kUpdate);
  EXPECT_EQ(find(change, "deletedAt")->value, "null");
}

TEST_F(ChangesetTest, FindsTheSpaceId) {  // PROTOCOL 2.9
  const auto space = [this](const std::string& members) { return read_change(members).space_id; };
  EXPECT_EQ(space(R"("op":"insert","spaceId":"a","data":{"spaceId":"b"})"), "a");
  EXPECT_EQ(space(R"("op":"insert","data":{"spaceId":"b"})"), "b");
  EXPECT_EQ(space(R"("op":"insert","spaceId":null,"data":{"spaceId":"b"})"), "b");
  EXPECT_EQ(space(R"("op":"update","fields":{"spaceId":{"value":"c"}})"), "c");
  EXPECT_EQ(space(R"("op":"update","data":{"spaceId":"b"},"fields":{"spaceId":{"value":"c"}})"),
            "b");
  EXPECT_EQ(space(R"("op":"update","fields":{"spaceId":null})"), std::nullopt);
  EXPECT_EQ(space(R"("op":"update","fields":{"spaceId":{"value":7}})"), std::nullopt);
  EXPECT_EQ(space(R"("op":"insert","data":{"spaceId":["b"]})"), std::nullopt);
  EXPECT_EQ(space(R"("op":"delete")"), std::nullopt);
  EXPECT_EQ(space(R"("op":"update","spaceId":"","fields":{})"), "");
}

TEST_F(ChangesetTest, HandsActorAndOriginOn) {  // PROTOCOL 2.9
  const Change change =
      read_change(R"("op":"delete","actor":{ "id" : 12345678901234567890 },"origin":"o\n")");
  EXPECT_EQ(change.actor, R"({"id":12345678901234567890})");
  EXPECT_EQ(change.origin, "o\n");
  const Change bare = read_change(R"("op":"delete","actor":null,"origin":null)");
  EXPECT_EQ(bare.actor, "");
  EXPECT_EQ(bare.origin, std::nullopt);
}

TEST_F(ChangesetTest, IgnoresUnknownKeys) {  // PROTOCOL 2.9
  EXPECT_EQ(
      read_change(R"("op":"update","x":{"y":[1]},"fields":{"f":{"value":1,"z":2}})").edits.size(),
      1u);
  EXPECT_TRUE(read(R"({"anything":[{"table":1}]})").changes.empty());
}

TEST_F(ChangesetTest, LetsTheLastOfDuplicateKeysWin) {  // PROTOCOL 2.10
  const Changeset changeset = read(R"({"clientId":"a","changes":[1],"clientId":"b","changes":[
      {"table":"x","table":"t","id":"r","op":"insert","op":"update",
       "fields":{"f":{"value":1,"value":2},"g":{"value":3},"\u0066":{"value":4}}}]})");
  EXPECT_EQ(changeset.client_id, "b");
  const Change& change = changeset.changes[0];
  EXPECT_EQ(change.table, "t");
  EXPECT_EQ(change.op, Op::kUpdate);
  ASSERT_EQ(change.edits.size(), 2u);
  EXPECT_EQ(find(change, "f")->value, "4");
  EXPECT_EQ(find(change, "g")->value, "3");
  const Change insert = read_change(R"("op":"insert","data":{"f":1,"f":{"a":2}})");
  ASSERT_EQ(insert.edits.size(), 1u);
  EXPECT_EQ(insert.edits[0].value, R"({"a":2})");
}

TEST_F(ChangesetTest, OfTwoEditsOfOneFieldTakesTheLastHoweverManyThereAre) {  // PROTOCOL 2.10
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

TEST_F(ChangesetTest, UnderstandsEscapedKeyNamesAndStrings) {  // PROTOCOL 2.10
  const Changeset changeset =
      read(R"({"\u0063hanges":[{"\u0074able":"t\u0031","i\u0064":"\ud83d\ude00",
      "o\u0070":"\u0064elete","deleted\u0041t":"2024-01-01T10\u003a00:00Z"}]})");
  ASSERT_EQ(changeset.changes.size(), 1u);
  EXPECT_EQ(changeset.changes[0].table, "t1");
  EXPECT_EQ(changeset.changes[0].record, "😀");
  EXPECT_EQ(changeset.changes[0].edits[0].time_ms, kTenMs);
}

TEST_F(ChangesetTest, SanitizesAndCounts) {  // PROTOCOL 2.11
  const Change change = read_change(
      R"("op":"update","origin":"\ud800","fields":{"f\u0000":{"value":["\udc00x",{"\u0000":1}]}})");
  EXPECT_EQ(change.origin, "\ufffd");
  EXPECT_EQ(change.edits[0].field, "f\ufffd");
  EXPECT_EQ(change.edits[0].value, R"(["\ufffdx",{"\ufffd":1}])");
  EXPECT_EQ(sanitized_.value(), 4);
}

TEST_F(ChangesetTest, OutlivesTheNextPush) {
  const Changeset first = read(body_of(R"("op":"insert","origin":"o\t1","data":{"f":"one"})"));
  read(body_of(R"("op":"insert","origin":"other","data":{"g":"something quite different"})"));
  EXPECT_EQ(first.changes[0].origin, "o\t1");
  EXPECT_EQ(first.changes[0].edits[0].value, "\"one\"");
  EXPECT_EQ(first.changes[0].table, "t");
}

}  // namespace
}  // namespace mana_sync::sync
