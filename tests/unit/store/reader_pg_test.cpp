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
  std::vector<std::string> all_pages(sync::PageQuery query) {
    std::vector<std::string> records;
    for (;;) {
      const auto next = page(query);
      records.insert(records.end(), next.records.begin(), next.records.end());
      if (!next.has_more) return records;
      if (next.records.empty()) {
        ADD_FAILURE() << "a page with has_more moves the cursor (PROTOCOL 3.2)";
        return records;
      }
      query.after_us = next.stamps.back();
    }
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
  write_foreign(fmt::format("SELECT n::text, n / 3000, NULL::jsonb FROM generate_series(0, {}) n",
                            kRows - 1));
  Loaded loaded = load();
  EXPECT_EQ(loaded.chunks, 3U);
  ASSERT_THAT(loaded.records, SizeIs(kRows));
  for (size_t i = 1; i < kRows; ++i) {
    EXPECT_LE(std::stoi(loaded.records[i - 1]) / 3000, std::stoi(loaded.records[i]) / 3000);
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
