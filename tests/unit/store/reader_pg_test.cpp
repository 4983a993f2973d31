#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "mana_sync/base/limits.h"
#include "read_queue.h"
#include "reader.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kStampUs = 1'700'000'000'000'000;

class ReaderTest : public StoreTest {
 protected:
  ReaderTest() { process.wait_ready(); }

  // Rows of kStream as another program writes them; `select` yields record, stamp's offset in
  // microseconds, data.
  void write_foreign(const std::string& select) {
    exec(fmt::format(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, "
        "created_at) SELECT 'todo', 'todos', record, 'user-1', 'update', data, 'other', "
        "timestamptz 'epoch' + ({} + us) * interval '1 us' FROM ({}) AS row (record, us, data)",
        kStampUs, select));
  }

  StoreProcess::OwnedPage page(const sync::PageQuery& query) {
    auto result = process.read_page(query);
    if (!result) {
      ADD_FAILURE() << result.error().message;
      return {};
    }
    return *result;
  }

  // Follows the cursor to the end; the records in order.
  std::vector<std::string> all_pages(const sync::PageQuery& query) {
    std::vector<std::string> records;
    for (const auto& page : process.read_pages(query)) {
      records.insert(records.end(), page.records.begin(), page.records.end());
    }
    return records;
  }

  StoreProcess process{url};
};

TEST_F(ReaderTest, EmptyStream_EmptyPage) {
  const auto empty = page(page_query());
  EXPECT_THAT(empty.records, IsEmpty());
  EXPECT_FALSE(empty.has_more);
}

TEST_F(ReaderTest, Row_ComesBackAsItWasCommitted) {
  TestUnit unit(kStream);
  sync::ChangeRow& row = unit.add(kStampUs + 1, "r\xe2\x82\xac");
  row.op = sync::Op::kInsert;
  row.data = R"({"n": 0.10, "s": "\"\\\n"})";
  row.actor = "{}";
  row.origin = "";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  bool is_read = false;
  process.port().read_page(page_query(), [&](Result<sync::Page> result) {
    is_read = true;
    ASSERT_TRUE(result.has_value());
    ASSERT_THAT(result->rows, SizeIs(1));
    const sync::ChangeRow& read = result->rows.front();
    EXPECT_EQ(read.event_id, row.event_id);
    EXPECT_EQ(read.stamp_us, kStampUs + 1);
    EXPECT_EQ(read.op, sync::Op::kInsert);
    EXPECT_EQ(read.table, "todos");
    EXPECT_EQ(read.record, row.record);
    EXPECT_EQ(read.client_id, "client-1");
    EXPECT_EQ(read.data, row.data);
    EXPECT_EQ(read.field_timestamps, row.field_timestamps);
    EXPECT_EQ(read.schema_version, 1);
    EXPECT_EQ(read.actor, "{}");
    EXPECT_EQ(read.origin, "");
    EXPECT_EQ(read.space_id, std::nullopt);
  });
  process.run_until([&] { return is_read; });
}

TEST_F(ReaderTest, Range_IsExclusiveBelowAndInclusiveAbove) {
  write_foreign("SELECT 'r' || n, n, NULL::jsonb FROM generate_series(1, 5) n");
  sync::PageQuery query = page_query();
  query.after_us = kStampUs + 2;
  query.up_to_us = kStampUs + 4;
  EXPECT_THAT(page(query).records, ElementsAre("r3", "r4"));
}

TEST_F(ReaderTest, OtherStreams_AreNotSeen) {
  TestUnit other_user({"user-2", "todo"});
  other_user.add(kStampUs, "x");
  TestUnit other_app({"user-1", "notes"});
  other_app.add(kStampUs, "x");
  ASSERT_EQ(process.commit(other_user), CommitOutcome::kCommitted);
  ASSERT_EQ(process.commit(other_app), CommitOutcome::kCommitted);
  EXPECT_THAT(page(page_query()).records, IsEmpty());
}

TEST_F(ReaderTest, TablesAndClient_Filter) {
  TestUnit unit(kStream);
  unit.add(kStampUs + 1, "a").table = "ta";
  unit.add(kStampUs + 2, "b").table = "tb";
  unit.add(kStampUs + 3, "c").table = "tc";
  unit.add(kStampUs + 4, "d").client_id = "client-2";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  sync::PageQuery query = page_query();
  query.tables = {"ta"};
  EXPECT_THAT(page(query).records, ElementsAre("a"));
  query.tables = {"tc", "ta"};
  EXPECT_THAT(page(query).records, ElementsAre("a", "c"));
  query.exclude_client = "client-1";
  EXPECT_THAT(page(query).records, IsEmpty());
  query.tables = {};
  EXPECT_THAT(page(query).records, ElementsAre("d"));
}

// PROTOCOL 3.2
TEST_F(ReaderTest, CountBound_EndsThePage) {
  write_foreign("SELECT 'r' || n, n, NULL::jsonb FROM generate_series(1, 5) n");
  sync::PageQuery query = page_query();
  query.changes_max = 5;
  EXPECT_FALSE(page(query).has_more);
  query.changes_max = 4;
  const auto bounded = page(query);
  EXPECT_THAT(bounded.records, ElementsAre("r1", "r2", "r3", "r4"));
  EXPECT_TRUE(bounded.has_more);
  EXPECT_THAT(all_pages(query), ElementsAre("r1", "r2", "r3", "r4", "r5"));
}

TEST_F(ReaderTest, BytesBound_HoldsForValuesThatCompress) {
  write_foreign(
      "SELECT 'r' || n, n, jsonb_build_object('x', repeat('a', 1000000)) "
      "FROM generate_series(1, 10) n");
  sync::PageQuery query = page_query();
  const auto bounded = page(query);
  EXPECT_THAT(bounded.records, SizeIs(4));
  EXPECT_LE(bounded.bytes, query.bytes_max);
  EXPECT_TRUE(bounded.has_more);
  EXPECT_THAT(all_pages(query), SizeIs(10));
  query.bytes_max = 10;
  EXPECT_THAT(page(query).records, ElementsAre("r1")) << "the first always fits";
}

// PROTOCOL 10.1: a cursor cannot point between rows of one stamp.
TEST_F(ReaderTest, RowsOfOneStamp_AreNeverPartedByAPage) {
  write_foreign(
      "SELECT 'r' || n, n / 7, jsonb_build_object('x', repeat('a', 100)) "
      "FROM generate_series(0, 99) n");
  for (const size_t changes_max : {1U, 5U, 7U, 8U, 20U, 99U, 100U}) {
    sync::PageQuery query = page_query();
    query.after_us = kStampUs - 1;
    query.changes_max = changes_max;
    std::vector<std::string> records = all_pages(query);
    EXPECT_THAT(records, SizeIs(100)) << changes_max;
    std::ranges::sort(records);
    EXPECT_TRUE(std::ranges::adjacent_find(records) == records.end()) << "none comes twice";
  }
  sync::PageQuery query = page_query();
  query.after_us = kStampUs - 1;
  query.bytes_max = 1000;
  EXPECT_THAT(all_pages(query), SizeIs(100));
}

class PagesTest : public ReaderTest {
 protected:
  PagesTest() {
    exec(fmt::format(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id, "
        "created_at) SELECT 'todo', 't' || n * n % 19 % 7, 'r' || n, 'user-1', 'update', "
        "'client-' || n * 7 % 5 % 3, timestamptz 'epoch' + ({} + (n + n * n % 3) / 3) * interval "
        "'1 us' FROM generate_series(1, 400) n",
        kStampUs));
  }

  // What all pages bring, as "stamp record …", ordered by stamp and record.
  std::string found(const sync::PageQuery& query) {
    std::vector<std::pair<int64_t, std::string>> rows;
    for (const auto& page : process.read_pages(query)) {
      for (size_t i = 0; i < page.records.size(); ++i) {
        EXPECT_TRUE(rows.empty() || rows.back().first <= page.stamps[i]);
        rows.emplace_back(page.stamps[i], page.records[i]);
      }
    }
    std::ranges::sort(rows);
    std::string text;
    for (const auto& [stamp_us, record] : rows) {
      text.append(std::to_string(stamp_us)).append(" ").append(record).append(" ");
    }
    return text;
  }
  std::string expected(const sync::PageQuery& query) {
    std::string tables;
    for (const std::string& table : query.tables) tables.append(table).append(",");
    return value(fmt::format(
        "SELECT coalesce(string_agg((extract(epoch FROM created_at) * 1000000)::bigint || ' ' || "
        "record_id || ' ', '' ORDER BY created_at, record_id COLLATE \"C\"), '') "
        "FROM sync_changes WHERE client_id <> '{1}' "
        "AND ('{0}' = '' OR table_name = ANY (string_to_array('{0}', ',')))",
        tables, query.exclude_client.value_or("")));
  }
};

// PROTOCOL 3.2, 3.3, 10.1: whatever is asked for and however small the pages are.
TEST_F(PagesTest, BringEachAskedRowOnceAndInOrder) {
  std::vector<std::string> many_tables;
  for (int i = 3; i < 30; ++i) many_tables.push_back("t" + std::to_string(i));
  sync::PageQuery query = page_query();
  for (const std::vector<std::string>& tables : {std::vector<std::string>{},
                                                 {"t0"},
                                                 {"t1", "t5"},
                                                 {"t6", "t2", "t2", "none"},
                                                 {"none"},
                                                 many_tables}) {
    query.tables = tables;
    for (const std::string client : {"", "client-0"}) {
      query.exclude_client = client.empty() ? std::nullopt : std::optional(client);
      const std::string rows = expected(query);
      for (const size_t changes_max : {1U, 2U, 10U, 1000U}) {
        query.changes_max = changes_max;
        EXPECT_EQ(found(query), rows) << tables.size() << " tables, pages of " << changes_max;
      }
    }
  }
}

// Rows that the query leaves out end a page too: it may be empty, and moves the cursor.
TEST_F(ReaderTest, ScanBound_EndsThePageBetweenStamps) {
  exec(fmt::format(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id, "
      "created_at) SELECT 'todo', 'todos', 'r' || n, 'user-1', 'update', "
      "CASE WHEN n IN (5, 20000, 20001, 29999) THEN 'other' ELSE 'own' END, "
      "timestamptz 'epoch' + ({} + CASE WHEN n <= 20000 THEN n / 7 ELSE n END) * interval '1 us' "
      "FROM generate_series(1, 30000) n",
      kStampUs));
  sync::PageQuery query = page_query();
  query.exclude_client = "own";
  for (const std::vector<std::string>& tables :
       {std::vector<std::string>{}, {"todos"}, {"todos", "none"}}) {
    query.tables = tables;
    const auto pages = process.read_pages(query);
    EXPECT_GE(pages.size(), 30'000 / limits::kPageScanRowsMax);
    EXPECT_LE(pages.size(),
              3 + 30'000 * std::max<size_t>(tables.size(), 1) / limits::kPageScanRowsMax);
    std::vector<std::string> records;
    for (const auto& page : pages) {
      records.insert(records.end(), page.records.begin(), page.records.end());
    }
    EXPECT_THAT(records, ElementsAre("r5", "r20000", "r20001", "r29999"));
  }
}

TEST_F(ReaderTest, MoreRowsOfOneStampThanAScan_ArePassedOver) {
  exec(fmt::format(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id, "
      "created_at) SELECT 'todo', 'todos', 'r' || n, 'user-1', 'update', "
      "CASE WHEN n < {0} THEN 'own' ELSE 'other' END, "
      "timestamptz 'epoch' + ({1} + CASE WHEN n < {0} THEN 1 ELSE n END) * interval '1 us' "
      "FROM generate_series(1, {0}) n",
      limits::kPageScanRowsMax + 100, kStampUs));
  sync::PageQuery query = page_query();
  query.after_us = kStampUs;
  query.exclude_client = "own";
  EXPECT_THAT(all_pages(query), ElementsAre(fmt::format("r{}", limits::kPageScanRowsMax + 100)));
}

// PROTOCOL 4.3: one bad row never fails a page.
TEST_F(ReaderTest, OddForeignRows_DoNotFailThePage) {
  exec(
      "ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_op_check, "
      "ALTER schema_version DROP NOT NULL, ALTER client_id DROP NOT NULL");
  exec(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
      "field_timestamps, client_id, created_at, schema_version, actor) VALUES "
      "('todo', 't', 'null', 'user-1', 'update', NULL, NULL, NULL, '2024-01-01', NULL, 'null'), "
      "('todo', 't', 'array', 'user-1', 'update', '[1]', '[2]', 'c', '2024-01-02', 1, NULL), "
      "('todo', 't', 'op', 'user-1', 'upsert', '{}', '{}', 'c', '2024-01-03', 1, NULL), "
      "('todo', 't', 'scalar', 'user-1', 'delete', '7', '\"x\"', 'c', '2024-01-04', 1, NULL), "
      "('todo', 't', 'never', 'user-1', 'update', '{}', '{}', 'c', 'infinity', 1, NULL)");
  sync::PageQuery query = page_query();
  query.exclude_client = "somebody";
  query.up_to_us = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(page(query).records, ElementsAre("null", "array", "scalar"));
}

class LoadTest : public ReaderTest {
 protected:
  struct Loaded {
    std::vector<std::string> records;
    std::vector<std::string> data;
    size_t chunks = 0;
  };
  Loaded load() {
    Loaded loaded;
    bool is_done = false;
    process.port().load_stream(
        kStream,
        [&](std::span<const sync::ChangeRow> rows) {
          ++loaded.chunks;
          for (const sync::ChangeRow& row : rows) {
            loaded.records.emplace_back(row.record);
            loaded.data.emplace_back(row.data);
          }
        },
        [&](Result<void> result) {
          is_done = true;
          EXPECT_TRUE(result.has_value());
        });
    process.run_until([&] { return is_done; });
    return loaded;
  }
};

TEST_F(LoadTest, EmptyStream_NoChunk) {
  EXPECT_EQ(load().chunks, 0U);
}

TEST_F(LoadTest, ManyRowsOfOneStamp_AllComeOnceAndInOrder) {
  constexpr size_t kRows = 2 * limits::kLoadChunkRowsMax + 10;
  write_foreign(
      fmt::format("SELECT n::text, n / 300, NULL::jsonb FROM generate_series(0, {}) n", kRows - 1));
  Loaded loaded = load();
  EXPECT_EQ(loaded.chunks, 3U);
  ASSERT_THAT(loaded.records, SizeIs(kRows));
  for (size_t i = 1; i < kRows; ++i) {
    EXPECT_LE(std::stoi(loaded.records[i - 1]) / 300, std::stoi(loaded.records[i]) / 300);
  }
  std::ranges::sort(loaded.records);
  EXPECT_TRUE(std::ranges::adjacent_find(loaded.records) == loaded.records.end());
}

TEST_F(LoadTest, LargeValues_ComeInBoundedChunks) {
  write_foreign(
      "SELECT n::text, n, jsonb_build_object('x', repeat('a', 3000000)) "
      "FROM generate_series(1, 10) n");
  const Loaded loaded = load();
  EXPECT_THAT(loaded.records, SizeIs(10));
  EXPECT_GE(loaded.chunks, 3U);
}

TEST_F(LoadTest, Data_OnlyWhereFieldTimestampsLackAField) {
  TestUnit unit(kStream);
  unit.add(kStampUs + 1, "ours");
  unit.add(kStampUs + 2, "insert").data = R"({"id": "insert", "title": "x"})";
  sync::ChangeRow& deleted = unit.add(kStampUs + 3, "deleted");
  deleted.op = sync::Op::kDelete;
  deleted.data = {};
  deleted.field_timestamps = R"({"deletedAt": "2024-01-01T10:05:00.000Z"})";
  unit.add(kStampUs + 4, "foreign").data = R"({"id": "foreign", "title": "x", "more": 1})";
  unit.add(kStampUs + 5, "null times").field_timestamps = {};
  unit.add(kStampUs + 6, "odd times").field_timestamps = R"(["title"])";
  unit.add(kStampUs + 7, "odd data").data = "[1]";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  const Loaded loaded = load();
  EXPECT_THAT(loaded.records, ElementsAre("ours", "insert", "deleted", "foreign", "null times",
                                          "odd times", "odd data"));
  EXPECT_THAT(loaded.data, ElementsAre("", "", "", R"({"more": 1, "title": "x"})",
                                       R"({"title": "x"})", R"({"title": "x"})", ""));
}

// What a client waits for no longer must not keep PostgreSQL busy, and is not begun again.
TEST_F(ReaderTest, StatementOverItsTimeLimit_FailsOnceAndTheQueueGoesOn) {
  constexpr int64_t kLimitMs = 50;
  ReadQueue queue(
      *process.loop, url, 1, [] {}, kLimitMs);
  Reader reader(queue);
  queue.open();
  process.run_until([&] { return queue.is_up(); });
  std::vector<std::optional<Error>> answers;
  const auto read = [&] {
    reader.read_page(page_query(), [&](Result<sync::Page> result) {
      answers.push_back(result ? std::nullopt : std::optional(result.error()));
    });
    process.run_until([&] { return queue.pending() == 0; });
  };
  test::Session blocker(url);
  blocker.exec("BEGIN; LOCK TABLE sync_changes IN ACCESS EXCLUSIVE MODE");
  read();
  blocker.exec("COMMIT");
  read();
  ASSERT_THAT(answers, SizeIs(2));
  ASSERT_TRUE(answers[0].has_value());
  EXPECT_EQ(answers[0]->code, ErrorCode::kUnavailable);
  EXPECT_THAT(answers[0]->message, testing::Not(testing::HasSubstr("57014")));
  EXPECT_FALSE(answers[1].has_value());
  EXPECT_TRUE(process.has_logged("read_failed"));
}

}  // namespace
}  // namespace mana_sync::store
