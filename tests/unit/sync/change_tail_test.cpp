#include "mana_sync/sync/change_tail.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "change_format.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/sync/cells.h"

namespace mana_sync::sync {
namespace {

constexpr size_t kNoBound = 1 << 30;

class ChangeTailTest : public ::testing::Test {
 protected:
  ChangeTailTest() { tail_.begin(100); }

  // A change of `table` by `client` at `stamp_us`, with a value of `value_bytes`.
  ChangeRow change(int64_t stamp_us, std::string_view client = "a", std::string_view table = "t",
                   size_t value_bytes = 5) {
    return {.stamp_us = stamp_us,
            .table = table,
            .record = "r",
            .client_id = client,
            .data = texts_.emplace_back("{\"f\":\"" + std::string(value_bytes, 'x') + "\"}"),
            .field_timestamps = R"({"f":"2024-01-01T10:00:00.000Z"})"};
  }
  void append(const ChangeRow& row, size_t bytes_max = kNoBound) {
    tail_.append(row, bytes_max);
    rows_.push_back(row);
  }

  // What is selected, as it stands in an answer.
  std::string text_of(const ChangeTail::Selection& selection) {
    std::string text;
    size_t changes = 0;
    int64_t last_us = 0;
    runs_ = 0;
    tables_.clear();
    selected_ = tail_.select(selection, [&](const ChangeTail::Run& run) {
      if (changes > 0) text += ',';
      text += run.text.bytes;
      changes += run.changes;
      last_us = run.last_us;
      if (selection.by_table) tables_.emplace_back(table_of_change(run.text.bytes));
      ++runs_;
    });
    EXPECT_EQ(selected_.changes, changes);
    EXPECT_EQ(selected_.last_us, last_us);
    return text;
  }
  static std::string joined(const std::vector<ChangeRow>& rows) {
    std::string text;
    for (const ChangeRow& row : rows) {
      if (!text.empty()) text += ',';
      append_change(text, row);
    }
    return text;
  }

  ChangeTail tail_;
  std::deque<std::string> texts_;
  std::vector<ChangeRow> rows_;
  ChangeTail::Selected selected_;
  std::vector<std::string> tables_;  // of the runs, by table
  size_t runs_ = 0;
};

TEST_F(ChangeTailTest, ChangesAreAsTheServerSendsThem) {  // PROTOCOL 4
  append(change(101));
  append(change(105, "b", "other"));
  EXPECT_EQ(text_of({.after_us = 100, .changes_max = 10, .bytes_max = kNoBound}), joined(rows_));
  EXPECT_EQ(runs_, 1u);
  EXPECT_EQ(selected_.last_us, 105);
  EXPECT_FALSE(selected_.has_more);
}

TEST_F(ChangeTailTest, TheCursorTheTableTheClientAndThePushAreMinded) {
  append(change(101, "a", "t"));
  append(change(102, "b", "t"));
  append(change(103, "a", "u"));
  append(change(104, "c", "t"));
  append(change(105, "c", "v"));
  const auto select = [&](ChangeTail::Selection selection) {
    selection.changes_max = 10;
    selection.bytes_max = kNoBound;
    return text_of(selection);
  };
  EXPECT_EQ(select({.after_us = 103}), joined({rows_[3], rows_[4]}));
  const std::vector<std::string> t = {"t"};
  EXPECT_EQ(select({.after_us = 100, .tables = t}), joined({rows_[0], rows_[1], rows_[3]}));
  const std::vector<std::string> uv = {"v", "u"};
  EXPECT_EQ(select({.after_us = 100, .tables = uv}), joined({rows_[2], rows_[4]}));
  EXPECT_EQ(select({.after_us = 100, .exclude_client = client_hash("a")}),
            joined({rows_[1], rows_[3], rows_[4]}));
  EXPECT_EQ(select({.after_us = 100, .exclude = {102, 104}}), joined({rows_[0], rows_[4]}));
  EXPECT_EQ(select({.after_us = 105}), "");
  EXPECT_EQ(selected_.last_us, 0);
}

TEST_F(ChangeTailTest, APageEndsAtItsBoundsAndTheFirstChangeAlwaysFits) {  // PROTOCOL 3.2
  for (int64_t stamp = 101; stamp <= 110; ++stamp) append(change(stamp));
  EXPECT_EQ(text_of({.after_us = 100, .changes_max = 3, .bytes_max = kNoBound}),
            joined({rows_[0], rows_[1], rows_[2]}));
  EXPECT_EQ(selected_.last_us, 103);
  EXPECT_TRUE(selected_.has_more);
  text_of({.after_us = 107, .changes_max = 3, .bytes_max = kNoBound});
  EXPECT_FALSE(selected_.has_more);  // exactly full, and nothing is left
  EXPECT_EQ(text_of({.after_us = 100, .changes_max = 10, .bytes_max = 1}), joined({rows_[0]}));
  EXPECT_TRUE(selected_.has_more);
}

TEST_F(ChangeTailTest, TheOldestGoFirstAndTheStartMovesBehindThem) {
  constexpr size_t kBound = 20'000;
  for (int64_t stamp = 101; stamp <= 1'100; ++stamp) {
    append(change(stamp), kBound);
    ASSERT_LE(tail_.bytes(), kBound);
  }
  const int64_t start = tail_.start_us();
  EXPECT_GT(start, 1'000);
  EXPECT_LT(start, 1'090);
  const std::vector<ChangeRow> newest(rows_.begin() + (start - 100), rows_.end());
  EXPECT_EQ(text_of({.after_us = start, .changes_max = 1'000, .bytes_max = kNoBound}),
            joined(newest));
  append(change(2'000, "a", "t", kBound), kBound);  // larger than all that may be held
  EXPECT_EQ(tail_.start_us(), 2'000);
  EXPECT_EQ(text_of({.after_us = 2'000, .changes_max = 10, .bytes_max = kNoBound}), "");
  append(change(2'001), 0);  // nothing may be held
  EXPECT_EQ(tail_.start_us(), 2'001);
  EXPECT_EQ(tail_.bytes(), 0u);
}

TEST_F(ChangeTailTest, BytesHandedOutOutliveTheTail) {
  append(change(101, "a", "t", 5'000));
  std::vector<SharedBytes> runs;
  tail_.select({.after_us = 100, .changes_max = 10, .bytes_max = kNoBound},
               [&](ChangeTail::Run run) { runs.push_back(std::move(run.text)); });
  tail_.begin(500);
  EXPECT_EQ(tail_.bytes(), 0u);
  EXPECT_EQ(runs.at(0).bytes, joined(rows_));
}

TEST_F(ChangeTailTest, ByTableARunIsOfOneTable) {  // PROTOCOL 7.2
  for (const char* table : {"t", "t", "u", "t", "\"odd\\"}) {
    append(change(101 + static_cast<int64_t>(rows_.size()), "a", table));
  }
  ChangeTail::Selection selection{.after_us = 100, .changes_max = 10, .bytes_max = kNoBound};
  const std::string all = text_of(selection);
  selection.by_table = true;
  EXPECT_EQ(text_of(selection), all);
  const auto repeats = std::ranges::unique(tables_);  // a block's end ends a run, too
  tables_.erase(repeats.begin(), repeats.end());
  EXPECT_EQ(tables_, (std::vector<std::string>{R"("t")", R"("u")", R"("t")", R"("\"odd\\")"}));
  const std::vector<std::string> u = {"u"};
  selection.tables = u;
  text_of(selection);
  EXPECT_EQ(tables_, (std::vector<std::string>{R"("u")"}));
}

TEST_F(ChangeTailTest, AnySelectionIsWhatAPlainFilterGives) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<std::string> names = {"a", "b", "c"};
  int64_t stamp = 100;
  for (int i = 0; i < 600; ++i) {
    stamp += 1 + static_cast<int64_t>(below(3));
    append(change(stamp, names[below(3)], names[below(3)], below(4) == 0 ? 3'000 : 10));
  }
  for (int i = 0; i < 300; ++i) {
    const int64_t after_us = 100 + static_cast<int64_t>(below(static_cast<size_t>(stamp) - 100));
    const std::vector<std::string> tables(names.begin(),
                                          names.begin() + static_cast<long>(below(3)));
    const std::string client = names[below(3)];
    const bool excludes = below(2) == 0;
    const size_t changes_max = 1 + below(200);
    std::vector<ChangeRow> expected;
    bool has_more = false;
    for (const ChangeRow& row : rows_) {
      if (row.stamp_us <= after_us || (excludes && row.client_id == client)) continue;
      if (!tables.empty() && std::ranges::find(tables, row.table) == tables.end()) continue;
      has_more = expected.size() == changes_max;
      if (has_more) break;
      expected.push_back(row);
    }
    ChangeTail::Selection selection{
        .after_us = after_us, .tables = tables, .changes_max = changes_max, .bytes_max = kNoBound};
    if (excludes) selection.exclude_client = client_hash(client);
    selection.by_table = below(2) == 0;
    ASSERT_EQ(text_of(selection), joined(expected));
    ASSERT_EQ(selected_.has_more, has_more);
    ASSERT_EQ(selected_.last_us, expected.empty() ? 0 : expected.back().stamp_us);
  }
}

}  // namespace
}  // namespace mana_sync::sync
