#include "stored_insert.h"

#include <gtest/gtest.h>

#include <string>

#include "mana_sync/base/metrics.h"

namespace mana_sync::sync {
namespace {

constexpr int64_t kStampUs = 1'704'110'399'999'001;  // its receipt time is 12:00:00.000
constexpr std::string_view kReceipt = "\"2024-01-01T12:00:00.000Z\"";

class StoredInsertTest : public ::testing::Test {
 protected:
  // Whether the insert of `pushed` is the row of `stored`, where % stands for its receipt time.
  bool matches(std::string_view pushed, std::string stored, Op op = Op::kInsert) {
    std::string body = R"({"changes":[{"table":"t","id":"r","op":"insert","data":)";
    body.append(pushed).append("}]}");
    const auto changeset = reader_.read(body);
    EXPECT_TRUE(changeset);
    if (const size_t at = stored.find('%'); at != std::string::npos) {
      stored.replace(at, 1, kReceipt);
    }
    const ChangeRow row{
        .stamp_us = kStampUs, .op = op, .table = "t", .record = "r", .data = stored};
    return StoredInserts({&row, 1}, scratch_).hold(changeset->changes[0], cells_);
  }

  void hold(std::string_view field, int64_t time_ms) {
    cells_.set(cell_key("t", "r", field), {.time_ms = time_ms});
  }

  Counter sanitized_;
  ChangesetReader reader_{sanitized_};
  JsonTree scratch_;
  CellTable cells_;
};

TEST_F(StoredInsertTest, AWholeInsertIsRecognizedByItsDataAndItsReceipt) {  // PROTOCOL 2.7
  EXPECT_TRUE(matches(R"({"f":1})", R"({"f": 1, "updatedAt": %})"));
  EXPECT_TRUE(matches("{}", R"({"updatedAt": %})"));
  EXPECT_TRUE(matches(R"({"g":{"x":[1,2]},"f":"\u0061"})",
                      R"({"f": "a", "g": {"x": [1.0, 2]}, "updatedAt": %})"));
  EXPECT_TRUE(matches(R"({"f\n":1})", R"({"f\n": 1, "updatedAt": %})"));
}

TEST_F(StoredInsertTest, TheIdAndAnUpdatedAtThatIsNoTimeDoNotMatter) {  // PROTOCOL 2.7
  EXPECT_TRUE(
      matches(R"({"id":"x","f":1,"updatedAt":5})", R"({"f": 1, "id": "y", "updatedAt": %})"));
}

TEST_F(StoredInsertTest, OtherDataIsAnotherInsert) {
  EXPECT_FALSE(matches(R"({"f":2})", R"({"f": 1, "updatedAt": %})"));
  EXPECT_FALSE(matches(R"({"f":1,"g":2})", R"({"f": 1, "updatedAt": %})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f": 1, "g": 2, "updatedAt": %})"));
  EXPECT_FALSE(matches(R"({"g":1})", R"({"f": 1, "updatedAt": %})"));
}

TEST_F(StoredInsertTest, ARowThatDoesNotSayItsReceiptIsAnotherChange) {
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f": 1})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f": 1, "updatedAt": "2024-01-01T11:59:59.999Z"})"));
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f": 1, "updatedAt": null})"));
}

TEST_F(StoredInsertTest, WhatIsLeftOfAnInsertIsRecognizedWhereLaterEditsHoldTheRest) {  // 5.4
  const char* pushed = R"({"f":1,"g":2})";
  const char* left = R"({"g": 2, "updatedAt": %})";
  EXPECT_FALSE(matches(pushed, left, Op::kUpdate));
  hold("f", 1'704'110'399'999);  // before the receipt: `f` was not lost to it
  EXPECT_FALSE(matches(pushed, left, Op::kUpdate));
  hold("f", 1'704'110'400'000);
  EXPECT_TRUE(matches(pushed, left, Op::kUpdate));
  EXPECT_FALSE(matches(pushed, left, Op::kInsert));
  EXPECT_FALSE(matches(R"({"f":1,"g":2,"h":3})", left, Op::kUpdate));
}

TEST_F(StoredInsertTest, ADeleteOrARowThatIsNoObjectIsNoInsert) {
  EXPECT_FALSE(matches(R"({"f":1})", R"({"f": 1, "updatedAt": %})", Op::kDelete));
  for (const char* data : {"", "null", "[]", "nonsense"}) EXPECT_FALSE(matches("{}", data));
}

}  // namespace
}  // namespace mana_sync::sync
