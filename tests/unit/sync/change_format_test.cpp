#include "change_format.h"

#include <gtest/gtest.h>

#include <string>

namespace mana_sync::sync {
namespace {

constexpr std::string_view kId = "01234567-89ab-cdef-0123-456789abcdef";
constexpr Uuid kUuid = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                        0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
constexpr int64_t kStampUs = 1'704'110'400'000'001;  // receipt time …12:00:00.001Z

std::string sent(ChangeRow row) {
  row.event_id = kUuid;
  row.stamp_us = kStampUs;
  if (row.table.empty()) row.table = "t";
  if (row.record.empty()) row.record = "r";
  std::string out;
  append_change(out, row);
  return out;
}

// What every change begins with, and `rest`.
std::string expected(std::string_view op, std::string_view rest) {
  std::string out = R"({"eventId":")";
  out.append(kId).append(R"(","schemaVersion":1,"table":"t","id":"r","op":")").append(op);
  return out.append("\"").append(rest).append("}");
}

std::string update_of(std::string_view data, std::string_view timestamps) {
  return sent({.op = Op::kUpdate, .data = data, .field_timestamps = timestamps});
}

TEST(ChangeFormat, WritesAnUpdateAsTheContractShowsIt) {  // PROTOCOL 4, 4.1
  EXPECT_EQ(sent({.op = Op::kUpdate,
                  .table = "todos",
                  .record = "todo-123",
                  .data = R"({"title": "Buy eggs"})",
                  .field_timestamps = R"({"title": "2024-01-01T10:05:30.000Z"})"}),
            R"({"eventId":"01234567-89ab-cdef-0123-456789abcdef","schemaVersion":1,)"
            R"("table":"todos","id":"todo-123","op":"update","fields":{"title":)"
            R"({"value":"Buy eggs","updatedAt":"2024-01-01T10:05:30.000Z",)"
            R"("at":"2024-01-01T10:05:30.000Z"}}})");
}

TEST(ChangeFormat, WritesEachFieldWithItsOwnTime_AndNullExplicitly) {  // PROTOCOL 4.1
  EXPECT_EQ(
      update_of(R"({"a": null, "bb": [1, {"c": " d "}]})",
                R"({"a": "2024-01-01T10:00:00.000Z", "bb": "2024-01-01T11:00:00+02:00"})"),
      expected(
          "update",
          R"(,"fields":{"a":{"value":null,"updatedAt":"2024-01-01T10:00:00.000Z","at":"2024-01-01T10:00:00.000Z"},)"
          R"("bb":{"value":[1,{"c":" d "}],"updatedAt":"2024-01-01T09:00:00.000Z","at":"2024-01-01T09:00:00.000Z"}})"));
}

TEST(ChangeFormat, WritesAnInsertWithItsData) {  // PROTOCOL 4.1
  EXPECT_EQ(
      sent({.op = Op::kInsert, .data = R"({"f": [1, 2], "id": "r"})", .field_timestamps = "{}"}),
      expected("insert", R"(,"data":{"f":[1,2],"id":"r"})"));
  EXPECT_EQ(sent({.op = Op::kInsert, .data = "{}"}), expected("insert", R"(,"data":{})"));
}

TEST(ChangeFormat, WritesADeleteWithItsTime) {  // PROTOCOL 4.1
  EXPECT_EQ(sent({.op = Op::kDelete,
                  .data = R"({"deletedAt": "2024-01-01T10:00:00.000Z"})",
                  .field_timestamps = R"({"deletedAt": "2024-01-01T10:00:00.000Z"})"}),
            expected("delete", R"(,"deletedAt":"2024-01-01T10:00:00.000Z")"));
}

TEST(ChangeFormat, HandsTheEnvelopeOn) {  // PROTOCOL 2.9
  EXPECT_EQ(sent({.op = Op::kDelete,
                  .schema_version = 1,
                  .actor = R"({"n": [1, 2]})",
                  .origin = "o\"\n",
                  .space_id = ""}),
            expected("delete", R"(,"actor":{"n":[1,2]},"origin":"o\"\n","spaceId":"")"));
}

TEST(ChangeFormat, LeavesOptionalKeysOut) {  // PROTOCOL 4.2
  EXPECT_EQ(sent({.op = Op::kDelete, .actor = "null"}), expected("delete", ""));
  EXPECT_EQ(sent({.op = Op::kDelete, .actor = "\"bob\""}), expected("delete", ""));
}

TEST(ChangeFormat, EscapesNames) {
  std::string out;
  append_change(out, {.event_id = kUuid, .op = Op::kInsert, .table = "a\"b", .record = "c\\\td"});
  EXPECT_EQ(out, R"({"eventId":"01234567-89ab-cdef-0123-456789abcdef","schemaVersion":1,)"
                 R"("table":"a\"b","id":"c\\\td","op":"insert","data":{}})");
  EXPECT_EQ(
      update_of(R"({"q\"\\": 1})", R"({"q\"\\": "2024-01-01T10:00:00.000Z"})"),
      expected(
          "update",
          R"(,"fields":{"q\"\\":{"value":1,"updatedAt":"2024-01-01T10:00:00.000Z","at":"2024-01-01T10:00:00.000Z"}})"));
}

TEST(ChangeFormat, ReadsAnEditTimeThatIsAnObject) {  // PROTOCOL 4.3
  EXPECT_EQ(
      update_of(R"({"f": 1})", R"({"f": {"at": "2024-01-01T10:00:00Z", "by": "x"}})"),
      expected(
          "update",
          R"(,"fields":{"f":{"value":1,"updatedAt":"2024-01-01T10:00:00.000Z","at":"2024-01-01T10:00:00.000Z"}})"));
  EXPECT_EQ(stored_time_ms(R"({"updatedAt": "2024-01-01T10:00:00Z"})"), 1'704'103'200'000);
  EXPECT_EQ(stored_time_ms(R"({"at": null, "updatedAt": "2024-01-01T10:00:00Z"})"),
            1'704'103'200'000);
}

TEST(ChangeFormat, TakesTheStampForAMissingOrOddEditTime) {  // PROTOCOL 4.3
  const std::string at_receipt = expected(
      "update",
      R"(,"fields":{"f":{"value":1,"updatedAt":"2024-01-01T12:00:00.001Z","at":"2024-01-01T12:00:00.001Z"}})");
  for (const char* timestamps :
       {"", "{}", "null", "[]", R"({"g": "2024-01-01T10:00:00Z"})", R"({"f": null})",
        R"({"f": 17})", R"({"f": "soon"})", R"({"f": {}})", R"({"f": {"at": 1}})"}) {
    EXPECT_EQ(update_of(R"({"f": 1})", timestamps), at_receipt) << timestamps;
  }
}

TEST(ChangeFormat, FindsTimesInAnyOrder) {
  EXPECT_EQ(
      update_of(R"({"a": 1, "b": 2, "c": 3})",
                R"({"c": "2024-01-01T10:00:03Z", "x": "bad", "a": "2024-01-01T10:00:01Z"})"),
      expected(
          "update",
          R"(,"fields":{"a":{"value":1,"updatedAt":"2024-01-01T10:00:01.000Z","at":"2024-01-01T10:00:01.000Z"},)"
          R"("b":{"value":2,"updatedAt":"2024-01-01T12:00:00.001Z","at":"2024-01-01T12:00:00.001Z"},)"
          R"("c":{"value":3,"updatedAt":"2024-01-01T10:00:03.000Z","at":"2024-01-01T10:00:03.000Z"}})"));
}

TEST(ChangeFormat, GivesARowWithoutDataTheShapeOfItsKind) {  // PROTOCOL 4.1, 4.3
  for (const char* data : {"", "null", "[1]", "\"x\""}) {
    EXPECT_EQ(sent({.op = Op::kInsert, .data = data}), expected("insert", R"(,"data":{})")) << data;
    EXPECT_EQ(update_of(data, ""), expected("update", R"(,"fields":{})")) << data;
    EXPECT_EQ(sent({.op = Op::kDelete, .data = data}), expected("delete", "")) << data;
  }
}

TEST(ChangeFormat, FindsADeletesTimeWhereAnOlderProgramPutIt) {  // PROTOCOL 4.3
  const std::string at_ten = expected("delete", R"(,"deletedAt":"2024-01-01T10:00:00.000Z")");
  EXPECT_EQ(sent({.op = Op::kDelete, .data = R"({"deletedAt": "2024-01-01T10:00:00Z"})"}), at_ten);
  EXPECT_EQ(sent({.op = Op::kDelete,
                  .field_timestamps = R"({"deletedAt": {"at": "2024-01-01T10:00:00Z"}})"}),
            at_ten);
  EXPECT_EQ(sent({.op = Op::kDelete, .data = R"({"deletedAt": "soon"})"}), expected("delete", ""));
}

}  // namespace
}  // namespace mana_sync::sync
