// Pages of a stream for one who follows it (PROTOCOL §7): the same changes as a pull's, in runs of
// one table, each with a cursor to go on from.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine_world.h"

namespace mana_sync::sync {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using testing::EngineWorld;
using testing::kBeginMs;

std::string insert_of(std::string_view table, std::string_view record) {
  return fmt::format(
      R"({{"table":"{}","id":"{}","op":"insert","data":{{"createdAt":"2024-01-01T10:00:00Z"}}}})",
      table, record);
}

class PageTest : public ::testing::Test {
 protected:
  // Of the stream after `since_us`.
  ChangePage read(int64_t since_us, size_t changes_max = 1'000,
                  std::optional<std::string> client = {}, std::vector<std::string> tables = {}) {
    std::optional<ChangePage> page;
    world_.engine.read_page({.stream = world_.stream,
                             .tables = std::move(tables),
                             .since_us = since_us,
                             .exclude_client = std::move(client),
                             .changes_max = changes_max},
                            [&](Result<ChangePage> result) {
                              ASSERT_TRUE(result);
                              page = std::move(*result);
                            });
    world_.settle();
    EXPECT_TRUE(page);
    return page.value_or(ChangePage{});
  }
  // What a pull's `serverChanges` hold after `since_us`.
  std::string pulled(int64_t since_us) {
    const auto answer = world_.pull(since_us);
    world_.settle();
    return joined(answer->changes);
  }
  static std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
    return all;
  }
  static std::string text_of(const ChangePage& page, size_t first_run = 0) {
    std::vector<std::string> texts;
    for (size_t i = first_run; i < page.runs.size(); ++i) {
      texts.push_back(page.runs[i].changes.str());
    }
    return joined(texts);
  }
  static std::vector<std::string> tables_of(const ChangePage& page) {
    std::vector<std::string> tables;
    for (const ChangeRun& run : page.runs) tables.push_back(run.table);
    return tables;
  }
  // A row that another program wrote.
  void add_row(const std::string& table, const std::string& record, int64_t stamp_us) {
    world_.rows().add({.stamp_us = stamp_us,
                       .op = Op::kInsert,
                       .table = table,
                       .record = record,
                       .client_id = "other",
                       .data = "{}",
                       .field_timestamps = "{}"});
  }
  void push_mixed() {
    world_.push_and_settle("a", {insert_of("t", "1"), insert_of("t", "2"), insert_of("u", "3")});
    world_.push_and_settle("b", {insert_of("u", "4"), insert_of("t", "5")});
  }

  EngineWorld world_;
};

TEST_F(PageTest, HoldsWhatAPullHolds_InRunsOfOneTable_FromMemoryAndFromTheStore) {
  const int64_t begin_us = read(0).synced_until_us;  // from here on memory holds it
  push_mixed();
  for (const int64_t since_us : {begin_us, int64_t{0}}) {
    const ChangePage page = read(since_us);
    EXPECT_THAT(tables_of(page), ElementsAre(R"("t")", R"("u")", R"("t")"));
    EXPECT_EQ(text_of(page), pulled(since_us));
    EXPECT_FALSE(page.has_more);
    EXPECT_EQ(page.runs.back().cursor_us, page.synced_until_us);
  }
}

TEST_F(PageTest, FromTheCursorOfAnyRunOnComesExactlyTheRest) {  // 10.1
  const int64_t begin_us = read(0).synced_until_us;
  push_mixed();
  for (const int64_t since_us : {begin_us, int64_t{0}}) {
    const ChangePage page = read(since_us);
    for (size_t i = 0; i < page.runs.size(); ++i) {
      EXPECT_EQ(text_of(read(page.runs[i].cursor_us)), text_of(page, i + 1));
    }
  }
}

TEST_F(PageTest, EndsWhereItIsFull_AndGoesOnFromThere) {  // 3.2
  const int64_t begin_us = read(0).synced_until_us;
  push_mixed();
  for (const int64_t since_us : {begin_us, int64_t{0}}) {
    std::vector<std::string> texts;
    ChangePage page{.runs = {}, .synced_until_us = since_us, .has_more = true};
    while (page.has_more) {
      page = read(page.synced_until_us, 2);
      ASSERT_FALSE(page.runs.empty());
      texts.push_back(text_of(page));
    }
    EXPECT_EQ(texts.size(), 3u);
    EXPECT_EQ(joined(texts), pulled(since_us));
  }
}

TEST_F(PageTest, LeavesOutAClientAndOtherTables) {
  const int64_t begin_us = read(0).synced_until_us;
  push_mixed();
  for (const int64_t since_us : {begin_us, int64_t{0}}) {
    EXPECT_THAT(tables_of(read(since_us, 10, "a")), ElementsAre(R"("u")", R"("t")"));
    // What stands between them is not asked for.
    EXPECT_THAT(tables_of(read(since_us, 10, {}, {"t"})), ElementsAre(R"("t")"));
  }
}

TEST_F(PageTest, BetweenRowsOfOneStampStandsNoCursor) {
  const int64_t stamp_us = kBeginMs * 1000 - 10;
  add_row("t", "0", stamp_us - 5);
  add_row("t", "1", stamp_us);
  add_row("u", "2", stamp_us);
  add_row("u", "3", stamp_us + 1);
  const ChangePage page = read(0);
  ASSERT_THAT(tables_of(page), ElementsAre(R"("t")", R"("u")"));
  // A repeat of the row is better than a loss.
  EXPECT_EQ(page.runs[0].cursor_us, stamp_us - 1);
  // A page may not end there either.
  const ChangePage small = read(stamp_us - 5, 1);
  EXPECT_THAT(tables_of(small), ElementsAre(R"("t")", R"("u")"));
  EXPECT_TRUE(small.has_more);
  EXPECT_EQ(small.synced_until_us, stamp_us);
}

TEST_F(PageTest, WithNothingNewItMovesTheCursor) {  // 10.3
  const ChangePage first = read(0);
  const ChangePage second = read(first.synced_until_us);
  EXPECT_TRUE(second.runs.empty());
  EXPECT_GT(second.synced_until_us, first.synced_until_us);
}

TEST_F(PageTest, ThatNothingCanBeReadIsAnError) {
  std::optional<ErrorCode> error;
  world_.engine.read_page(
      {.stream = world_.stream, .tables = {}, .exclude_client = {}, .changes_max = 1},
      [&](Result<ChangePage> result) { error = result.error().code; });
  world_.store.fail_read();
  EXPECT_EQ(error, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace mana_sync::sync
