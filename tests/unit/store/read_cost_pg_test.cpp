// How many rows PostgreSQL looks at for a read: about as many as it returns, however long a stream
// or a record's history is.
#include <fmt/format.h>

#include "mana_sync/base/limits.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

constexpr int64_t kStampUs = 1'700'000'000'000'000;
constexpr int64_t kRows = 200'000;
// PostgreSQL looks one row ahead to number the rows.
constexpr int64_t kScanMax = limits::kPageScanRowsMax + 1;

// One long stream for all tests: nearly all of it one table's and one client's. Statistics know of
// that table only, as they do until long after another one appeared.
class PageCostTest : public StoreTest {
 protected:
  static void SetUpTestSuite() {
    stream_url() = postgres().create_database("page_cost");
    {
      StoreProcess process(stream_url());
      process.wait_ready();
    }
    test::exec(stream_url(),
               fmt::format(
                   "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
                   "client_id, created_at) SELECT 'todo', CASE WHEN n <= 20 THEN 'settings' "
                   "WHEN n <= 50 THEN 'lists' WHEN n % 4000 = 0 THEN 'tags' ELSE 'todos' END, "
                   "'r' || n, 'user-1', 'update', '{{\"title\": \"x\"}}', "
                   "CASE WHEN n % 20000 = 7 THEN 'client-2' ELSE 'client-1' END, "
                   "timestamptz 'epoch' + ({} + n) * interval '1 us' FROM generate_series(1, {}) n;"
                   "ALTER TABLE sync_changes ALTER table_name SET (n_distinct = 1); "
                   "ANALYZE sync_changes",
                   kStampUs, kRows));
  }
  static void TearDownTestSuite() {
    test::exec(postgres().url(), "DROP DATABASE page_cost WITH (FORCE)");
  }
  static std::string& stream_url() {
    static std::string url;
    return url;
  }

  struct Cost {
    size_t returned = 0;
    int64_t read = 0;
    int64_t pages = 0;
    bool has_more = false;
  };
  static Cost cost(const sync::PageQuery& query) {
    Cost cost;
    const ReadCost read = read_cost(stream_url(), [&](StoreProcess& process) {
      const auto page = process.read_page(query);
      ASSERT_TRUE(page.has_value()) << page.error().message;
      cost.returned = page->records.size();
      cost.has_more = page->has_more;
    });
    cost.read = read.rows;
    cost.pages = read.pages;
    return cost;
  }
};

TEST_F(PageCostTest, CursorNearTheEnd_OnlyWhatIsBehindItIsRead) {
  sync::PageQuery query = page_query();
  query.after_us = kStampUs + kRows - 10;
  const Cost end = cost(query);
  EXPECT_EQ(end.returned, 10U);
  EXPECT_LE(end.read, 10);
  query.tables = {"todos"};
  EXPECT_LE(cost(query).read, 10);
  query.tables = {"todos", "tags", "settings"};
  EXPECT_LE(cost(query).read, 10);
}

TEST_F(PageCostTest, RangeInTheMiddle_NothingBehindItIsRead) {
  sync::PageQuery query = page_query();
  query.after_us = kStampUs + kRows / 2;
  query.up_to_us = query.after_us + 10;
  for (const std::vector<std::string>& tables :
       {std::vector<std::string>{}, {"todos"}, {"todos", "tags"}}) {
    query.tables = tables;
    const Cost middle = cost(query);
    EXPECT_EQ(middle.returned, 10U);
    EXPECT_LE(middle.read, 10);
    EXPECT_LE(middle.pages, 50);
  }
}

TEST_F(PageCostTest, FullPage_OneRowMoreIsRead) {
  sync::PageQuery query = page_query();
  const Cost all = cost(query);
  EXPECT_EQ(all.returned, 1000U);
  EXPECT_LE(all.read, 1002);
  query.tables = {"todos"};
  EXPECT_LE(cost(query).read, 1002);
  query.exclude_client = "client-2";
  const Cost of_others = cost(query);
  EXPECT_EQ(of_others.returned, 1000U);
  EXPECT_LE(of_others.read, 1010);
}

TEST_F(PageCostTest, RareTable_TheStreamIsNotRead) {
  sync::PageQuery query = page_query();
  query.tables = {"settings"};
  const Cost settings = cost(query);
  EXPECT_EQ(settings.returned, 20U);
  EXPECT_LE(settings.read, 20);
  query.after_us = kStampUs + 1000;
  EXPECT_EQ(cost(query).read, 0);
}

// PROTOCOL 3.3
TEST_F(PageCostTest, RareTables_TheStreamIsNotRead) {
  sync::PageQuery query = page_query();
  query.tables = {"tags", "settings", "lists"};
  const Cost rare = cost(query);
  EXPECT_EQ(rare.returned, 100U);
  EXPECT_FALSE(rare.has_more);
  EXPECT_LE(rare.read, 100);
  query.tables.emplace_back("todos");
  const Cost full = cost(query);
  EXPECT_GE(full.returned, 990U);
  EXPECT_LE(full.read, 1200);
}

TEST_F(PageCostTest, MoreTablesThanAreReadEachByItself_TheScanIsBounded) {
  sync::PageQuery query = page_query();
  query.tables = {"tags"};
  for (size_t i = 0; i < limits::kPageTablesMax; ++i) {
    query.tables.push_back(fmt::format("none{}", i));
  }
  const Cost many = cost(query);
  EXPECT_TRUE(many.has_more);
  EXPECT_LE(many.read, kScanMax);
}

// A client that asks for what others wrote, behind 200,000 changes of its own.
TEST_F(PageCostTest, OwnChanges_ArePassedOverInBoundedPages) {
  sync::PageQuery query = page_query();
  query.exclude_client = "client-1";
  const Cost first = cost(query);
  EXPECT_LE(first.read, kScanMax);
  EXPECT_TRUE(first.has_more);
  for (const std::vector<std::string>& tables :
       {std::vector<std::string>{}, {"todos"}, {"todos", "tags"}}) {
    query.tables = tables;
    size_t returned = 0;
    const ReadCost read = read_cost(stream_url(), [&](StoreProcess& process) {
      const auto pages = process.read_pages(query);
      for (const auto& page : pages) returned += page.records.size();
      EXPECT_LE(pages.size(),
                2 + kRows * std::max<size_t>(tables.size(), 1) / limits::kPageScanRowsMax);
    });
    EXPECT_EQ(returned, 9U + (tables.empty() ? 1 : 0));
    EXPECT_LE(read.rows, kRows + kRows / 100);
  }
}

class LookupCostTest : public StoreTest {
 protected:
  static constexpr int64_t kHistory = 20'000;

  // Record r: the fields f0 to f15, then 20,000 updates of `title`.
  LookupCostTest() {
    StoreProcess process(url);
    process.wait_ready();
    exec(fmt::format(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
        "field_timestamps, client_id, created_at) SELECT 'todo', 'todos', 'r', 'user-1', 'update', "
        "data, (SELECT jsonb_object_agg(key, '2024-01-01T10:00:00.000Z') FROM "
        "jsonb_object_keys(data) key), 'c', timestamptz 'epoch' + ({} + n) * interval '1 us' FROM ("
        "SELECT n, CASE n WHEN 0 THEN (SELECT jsonb_object_agg('f' || k, k) FROM "
        "generate_series(0, 15) k) ELSE jsonb_build_object('title', n) END AS data "
        "FROM generate_series(0, {}) n) AS row; ANALYZE sync_changes",
        kStampUs, kHistory));
  }

  int64_t cost(const std::vector<sync::CellName>& cells, const std::string& first_value) {
    const ReadCost read = read_cost(url, [&](StoreProcess& process) {
      const auto found = process.lookup(cells);
      ASSERT_TRUE(found.has_value()) << found.error().message;
      ASSERT_TRUE(found->front().has_value());
      EXPECT_EQ(found->front()->value, first_value);
    });
    return read.rows;
  }
  static std::vector<sync::CellName> cells_of(const std::vector<std::string>& fields,
                                              int64_t time_ms) {
    std::vector<sync::CellName> cells;
    for (const std::string& field : fields) cells.push_back({"todos", "r", field, time_ms});
    return cells;
  }
};

constexpr int64_t kWrittenMs = 1'704'103'200'000;
constexpr int64_t kNeverMs = 1;

TEST_F(LookupCostTest, WinnerInTheNewestRow_NothingElseIsRead) {
  EXPECT_LE(cost(cells_of({"title"}, kWrittenMs), "20000"), 2);
  sync::CellName without_time{"todos", "r", "title"};
  EXPECT_LE(cost({without_time}, "20000"), 2);
}

TEST_F(LookupCostTest, InsertOfAnotherRecord_TheStreamIsNotRead) {
  const ReadCost read = read_cost(url, [&](StoreProcess& process) {
    bool is_done = false;
    process.port().lookup({kStream, {}, "c", {{"todos", "other", R"({"n": 1})"}}},
                          [&](Result<sync::Lookup> found) {
                            is_done = true;
                            EXPECT_TRUE(found.has_value() && found->inserts.empty());
                          });
    process.run_until([&] { return is_done; });
  });
  EXPECT_LE(read.rows, 2);
}

TEST_F(LookupCostTest, TimesThatNobodySpelled_TheHistoryIsReadOnce) {
  std::vector<std::string> fields{"title"};
  for (int i = 0; i < 15; ++i) fields.push_back(fmt::format("f{}", i));
  ASSERT_EQ(fields.size(), limits::kLookupCellsOneByOneMax);
  constexpr int64_t kOnce = kHistory + 4 * limits::kLookupRowsOneByOneMax;
  EXPECT_LE(cost(cells_of(fields, kNeverMs), "20000"), kOnce);
  EXPECT_LE(cost(cells_of({"f1", "f2", "f3"}, kWrittenMs), "1"), kOnce);
  fields.emplace_back("f15");
  EXPECT_LE(cost(cells_of(fields, kNeverMs), "20000"), kOnce);
}

}  // namespace
}  // namespace mana_sync::store
