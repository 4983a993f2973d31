#include "change_maker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <string>

namespace mana_sync::loadgen {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNowMs = 1'704'103'200'000;  // 2024-01-01T10:00:00Z

class ChangeMakerTest : public testing::Test {
 protected:
  // What one push holds.
  std::string make(const PushShape& shape) {
    ChangeMaker maker(shape, "todos", 0, ledger_, shared_, random_);
    auto made = maker.make(kNowMs);
    numbers_ = std::move(made.numbers);
    return std::move(made.json);
  }
  std::map<std::string, int> ops(const std::string& json) {
    std::map<std::string, int> count;
    simdjson::dom::parser parser;
    for (const simdjson::dom::element change : parser.parse(json).get_array()) {
      ++count[std::string(std::string_view(change["op"]))];
    }
    return count;
  }

  DeliveryLedger ledger_{2};
  SharedRecords shared_;
  std::mt19937_64 random_{1};
  std::vector<uint64_t> numbers_;
};

TEST_F(ChangeMakerTest, AnInsertHasItsNumberItsFieldsAndItsTime) {
  EXPECT_EQ(make({.fields = 1, .field_bytes = 3}),
            R"([{"table":"todos","id":"r0","op":"insert","data":{"id":"r0","n":0,"f0":"xxx",)"
            R"("createdAt":"2024-01-01T10:00:00.000Z","updatedAt":"2024-01-01T10:00:00.000Z"}}])");
  EXPECT_EQ(numbers_, (std::vector<uint64_t>{0}));
}

TEST_F(ChangeMakerTest, TheSharesAreAboutWhatIsAskedFor) {
  const auto count = ops(make({.changes = 1'000, .updates = 30, .deletes = 20}));
  EXPECT_NEAR(count.at("insert"), 500, 60);
  EXPECT_NEAR(count.at("update"), 300, 60);
  EXPECT_NEAR(count.at("delete"), 200, 60);
  EXPECT_EQ(numbers_.size(), 1'000u);
}

TEST_F(ChangeMakerTest, WithoutRecordsThereAreOnlyInserts) {
  EXPECT_EQ(ops(make({.changes = 1, .updates = 50, .deletes = 50})).at("insert"), 1);
}

TEST_F(ChangeMakerTest, SharedEditsHaveNoNumber_AndTheDeviceKeepsThem) {
  EXPECT_THAT(make({.changes = 20, .conflicts = 100}), HasSubstr(R"("id":"shared-)"));
  EXPECT_TRUE(numbers_.empty());
  EXPECT_GT(shared_.differences({}), 0u);
}

TEST_F(ChangeMakerTest, TheEditTimeIsNamedAsAskedFor) {
  const PushShape updates{.changes = 9, .updates = 100, .deletes = 0};
  PushShape shape = updates;
  EXPECT_THAT(make(shape), HasSubstr(R"("n":{"value":1,"updatedAt":"2024-01-01T10:00:00.000Z"})"));
  shape.edit_time = EditTime::kAt;
  EXPECT_THAT(make(shape), HasSubstr(R"(,"at":"2024-01-01T10:00:00.000Z"})"));
  shape.edit_time = EditTime::kBoth;
  EXPECT_THAT(make(shape), HasSubstr(R"(.000Z","at":"2024)"));
}

}  // namespace
}  // namespace mana_sync::loadgen
