#include "mana_sync/sync/changeset.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "changeset_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using testing::ChangesetTest;
using testing::kTenMs;

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

TEST_F(ChangesetTest, TheNamesOfAllEditsAreBounded) {  // docs/PROTOCOL.md, limits
  const auto body_with = [](size_t edits) {
    std::string fields = R"("f":1)";
    for (size_t i = 1; i < edits; ++i) fields += fmt::format(R"(,"f{}":1)", i);
    return fmt::format(R"({{"changes":[{{"table":"{}","id":"{}","op":"insert","data":{{{}}}}}]}})",
                       std::string(limits::kNameBytesMax, 't'),
                       std::string(limits::kNameBytesMax, 'r'), fields);
  };
  const size_t edits_max = limits::kEditNamesBytesMax / (2 * limits::kNameBytesMax);
  EXPECT_EQ(error_of(body_with(edits_max)), "accepted");
  EXPECT_EQ(error_of(body_with(edits_max + 1)),
            "changes: the names of the tables and records of all edits are too long");
}

}  // namespace
}  // namespace mana_sync::sync
