#include <fmt/format.h>

#include "mana_sync/base/timestamp.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

constexpr int64_t kStampUs = 1'700'000'000'000'000;

class LookupTest : public StoreTest {
 protected:
  LookupTest() { process.wait_ready(); }

  struct Answer {
    std::vector<std::optional<std::string>> values;
    std::vector<std::string> inserts;  // their data
    std::optional<ErrorCode> error;

    [[gnu::noinline]] void take(const sync::Lookup& found) {  // GCC 12 warns where it is inlined
      for (const auto& cell : found.cells) {
        values.push_back(cell ? std::optional(cell->value) : std::nullopt);
      }
      for (const auto& row : found.inserts) inserts.emplace_back(row.data);
    }
  };
  Answer lookup(std::vector<sync::CellName> cells, std::vector<sync::RecordName> records = {}) {
    Answer answer;
    bool is_done = false;
    process.port().lookup({kStream, std::move(cells), "client-1", std::move(records)},
                          [&](Result<sync::Lookup> result) {
                            is_done = true;
                            if (!result) {
                              answer.error = result.error().code;
                              return;
                            }
                            answer.take(*result);
                          });
    process.run_until([&] { return is_done; });
    return answer;
  }

  // `fields` and the `updatedAt` that an insert without an edit time is stored with.
  static std::string with_receipt(std::string_view fields, int64_t stamp_us) {
    return fmt::format(R"({{{}"updatedAt": "{}"}})", fields,
                       format_time_ms(receipt_time_ms(stamp_us)));
  }
  void write_insert(int64_t offset, std::string_view fields) {
    TestUnit unit(kStream);
    sync::ChangeRow& row = unit.add(kStampUs + offset, "r");
    row.op = sync::Op::kInsert;
    row.data = unit.keep(with_receipt(fields, row.stamp_us));
    ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  }
  // `count` rows of client-1 for record r, newer than any of write_insert(); `select` yields n from
  // 1, op, data.
  void write_foreign(const std::string& select, int count) {
    exec(fmt::format(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, client_id, created_at, "
        "op, data) SELECT 'todo', 'todos', 'r', 'user-1', 'client-1', to_timestamp({} + n), op, "
        "data FROM ({} FROM generate_series(1, {}) n) AS row (n, op, data)",
        kStampUs / 1'000'000, select, count));
  }

  StoreProcess process{url};
};

TEST_F(LookupTest, Values_AreTheNewestOfEachCellInOrder) {
  TestUnit unit(kStream);
  unit.add(kStampUs + 1, "r").data = R"({"title": "old", "n": 1.50})";
  unit.add(kStampUs + 2, "r").data = R"({"title": {"a": [null]}, "empty": null})";
  sync::ChangeRow& last = unit.add(kStampUs + 3, "r");
  last.data = R"({"other": 1})";
  last.field_timestamps = R"({"other": "2024-01-01T10:05:00.000Z"})";
  unit.add(kStampUs + 4, "other record").data = R"({"title": "not this"})";
  TestUnit other({"user-2", "todo"});
  other.add(kStampUs + 9, "r").data = R"({"title": "not this"})";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  ASSERT_EQ(process.commit(other), CommitOutcome::kCommitted);
  const Answer answer = lookup({{"todos", "r", "n"},
                                {"todos", "r", "title"},
                                {"todos", "r", "missing"},
                                {"todos", "r", "empty"},
                                {"elsewhere", "r", "title"},
                                {"todos", "r", "title"}});
  EXPECT_THAT(answer.values,
              ElementsAre(Optional(std::string("1.50")), Optional(std::string(R"({"a": [null]})")),
                          std::nullopt, Optional(std::string("null")), std::nullopt,
                          Optional(std::string(R"({"a": [null]})"))));
}

// PROTOCOL 2.8: a delete is an edit of the field deletedAt.
TEST_F(LookupTest, DeletedAt_IsFoundWhereverItStands) {
  TestUnit unit(kStream);
  const auto add_delete = [&](std::string_view record, std::string_view data,
                              std::string_view times) {
    sync::ChangeRow& row = unit.add(kStampUs, record);
    row.op = sync::Op::kDelete;
    row.data = data;
    row.field_timestamps = times;
  };
  add_delete("data", R"({"deletedAt": "2024-01-01T10:07:00.000Z"})", "{}");
  add_delete("times", "", R"({"deletedAt": "2024-01-01T10:08:00.000Z"})");
  add_delete("at", "", R"({"deletedAt": {"at": "2024-01-01T10:09:00.000Z"}})");
  add_delete("none", "", "");
  unit.add(kStampUs, "update").data = R"({"deletedAt": null})";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  const Answer answer = lookup({{"todos", "data", "deletedAt"},
                                {"todos", "times", "deletedAt"},
                                {"todos", "at", "deletedAt"},
                                {"todos", "none", "deletedAt"},
                                {"todos", "update", "deletedAt"}});
  EXPECT_THAT(answer.values, ElementsAre(Optional(std::string("\"2024-01-01T10:07:00.000Z\"")),
                                         Optional(std::string("\"2024-01-01T10:08:00.000Z\"")),
                                         Optional(std::string("\"2024-01-01T10:09:00.000Z\"")),
                                         Optional(std::string("\"2023-11-14T22:13:20.000Z\"")),
                                         Optional(std::string("null"))));
}

// A record with many asked cells is read in another way, to the same end.
TEST_F(LookupTest, ManyValuesOfOneRecord_AreTheNewestOfEach) {
  exec(fmt::format(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
      "field_timestamps, client_id, created_at) "
      "SELECT 'todo', 'todos', 'r', 'user-1', op, data::jsonb, times::jsonb, 'c', "
      "to_timestamp({} + n) FROM (VALUES "
      "(1, 'insert', (SELECT jsonb_object_agg('f' || n, n) FROM generate_series(1, 20000) n)::text,"
      "    '{{}}'), "
      "(2, 'update', '{{\"f1\": {{\"a\": [null]}}, \"f2\": null}}', '{{\"f1\": 1, \"f3\": 1}}'), "
      "(3, 'update', '[\"f4\"]', '\"f4\"'), (4, 'update', NULL, NULL), "
      "(5, 'delete', NULL, '{{\"deletedAt\": \"2024-01-01T10:08:00.000Z\"}}')"
      ") AS row (n, op, data, times)",
      kStampUs / 1'000'000));
  TestUnit other({"user-2", "todo"});
  other.add(kStampUs + 9'000'000, "r").data = R"({"f5": "not this"})";
  ASSERT_EQ(process.commit(other), CommitOutcome::kCommitted);
  std::vector<sync::CellName> cells;
  for (int i = 1; i <= 20'000; ++i) cells.push_back({"todos", "r", fmt::format("f{}", i)});
  cells.push_back({"todos", "r", "deletedAt"});
  cells.push_back({"todos", "other", "f1"});
  cells.push_back({"todos", "r", "missing"});
  cells.push_back({"todos", "r", "f7"});
  const Answer answer = lookup(std::move(cells));
  EXPECT_EQ(answer.error, std::nullopt);
  std::vector<std::optional<std::string>> expected;
  for (int i = 1; i <= 20'000; ++i) expected.emplace_back(fmt::format("{}", i));
  expected[0] = R"({"a": [null]})";
  expected[1] = expected[2] = "null";
  expected.insert(expected.end(),
                  {"\"2024-01-01T10:08:00.000Z\"", std::nullopt, std::nullopt, "7"});
  EXPECT_TRUE(answer.values == expected);
}

// An insert is asked for by what it says, but of when (PROTOCOL 2.7, 5.4).
TEST_F(LookupTest, Inserts_AreTheClientsOwnAndWhatIsLeftOfThem) {
  TestUnit unit(kStream);
  const auto add = [&](int64_t offset, std::string_view record, sync::Op op,
                       std::string_view fields) -> sync::ChangeRow& {
    sync::ChangeRow& row = unit.add(kStampUs + offset, record);
    row.op = op;
    row.data = unit.keep(with_receipt(fields, row.stamp_us));
    return row;
  };
  add(1, "b", sync::Op::kInsert, R"("n": 1, )");
  add(2, "a", sync::Op::kInsert, R"("id": "a", "n": 2.0, "m": {"x": [1]}, )");
  add(3, "a", sync::Op::kInsert, R"("n": 2, )");
  add(4, "a", sync::Op::kUpdate, R"("n": 2, )");
  add(5, "a", sync::Op::kUpdate, R"("n": 3, )");
  add(1000, "a", sync::Op::kInsert, R"("n": 2, "m": {"x": [1]}, )").client_id = "client-2";
  add(1001, "c", sync::Op::kInsert, R"("n": 6, )");
  add(1002, "a", sync::Op::kDelete, "");
  unit.add(kStampUs + 1003, "a").data = "null";
  unit.add(kStampUs + 1004, "a").data = "[1]";
  unit.add(kStampUs + 1005, "a").data = "";
  unit.add(kStampUs + 1006, "a").data = R"({"n": 2, "updatedAt": null})";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  const std::string asked = R"({"m": {"x": [1]}, "n": 2})";
  const Answer answer = lookup({}, {{"todos", "a", asked},
                                    {"todos", "b", R"({"n": 1.0})"},
                                    {"todos", "a", asked},
                                    {"x", "c", R"({"n": 6})"}});
  constexpr std::string_view kTime = R"("updatedAt": "2023-11-14T22:13:20.001Z"})";
  EXPECT_THAT(answer.inserts,
              testing::UnorderedElementsAre(
                  fmt::format(R"({{"n": 1, {})", kTime),
                  fmt::format(R"({{"m": {{"x": [1]}}, "n": 2.0, "id": "a", {})", kTime),
                  fmt::format(R"({{"n": 2, {})", kTime)));
}

// PROTOCOL 2.2, 2.7: whatever was written to the record since.
TEST_F(LookupTest, InsertBehindManyUpdates_IsFound) {
  write_insert(0, R"("n": 0, )");
  write_foreign("SELECT n, 'update', jsonb_build_object('updatedAt', 'edit ' || n, 'n', 0)", 120);
  EXPECT_THAT(lookup({}, {{"todos", "r", R"({"n": 0})"}}).inserts, testing::SizeIs(1));
}

TEST_F(LookupTest, InsertAmongManyOthers_IsFound) {
  for (int n = 0; n <= 105; ++n) write_insert(n, fmt::format(R"("n": {}, )", n));
  for (const int n : {0, 50, 105}) {
    EXPECT_THAT(lookup({}, {{"todos", "r", fmt::format(R"({{"n": {}}})", n)}}).inserts,
                ElementsAre(testing::HasSubstr(fmt::format(R"("n": {},)", n))));
  }
  EXPECT_THAT(lookup({}, {{"todos", "r", R"({"n": 106})"}}).inserts, IsEmpty());
}

// Rows that are not asked for do not count towards the bound on bytes.
TEST_F(LookupTest, InsertAmongLargeOthers_IsFound) {
  write_insert(0, R"("n": 0, )");
  write_foreign("SELECT n, 'insert', jsonb_build_object('x', repeat('a', 1000000))", 72);
  const Answer answer = lookup({}, {{"todos", "r", R"({"n": 0})"}});
  EXPECT_EQ(answer.error, std::nullopt);
  EXPECT_THAT(answer.inserts, testing::SizeIs(1));
}

// A push that brings thousands of one record's can be repeated: PostgreSQL would end what compares
// each with each.
TEST_F(LookupTest, ThousandsOfInsertsOfOneRecord_AreEachFound) {
  constexpr int kCount = 6'000;
  write_foreign(fmt::format(R"(SELECT n, 'insert', jsonb_build_object('n', n, 'updatedAt',
                  to_char(to_timestamp({} + n) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))",
                            kStampUs / 1'000'000),
                kCount);
  std::vector<sync::RecordName> asked;
  for (int n = 1; n <= kCount; ++n) {
    asked.push_back({"todos", "r", fmt::format(R"({{"n": {}}})", n)});
  }
  const Answer answer = lookup({}, std::move(asked));
  EXPECT_EQ(answer.error, std::nullopt);
  EXPECT_THAT(answer.inserts, testing::SizeIs(kCount));
}

TEST_F(LookupTest, NothingAsked_NothingAnswered) {
  const Answer answer = lookup({});
  EXPECT_THAT(answer.values, IsEmpty());
  EXPECT_THAT(answer.inserts, IsEmpty());
  EXPECT_EQ(answer.error, std::nullopt);
}

TEST_F(LookupTest, MoreThanTheBytesBound_TooLarge) {
  exec(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, client_id) "
      "VALUES ('todo', 'todos', 'r', 'user-1', 'insert', "
      "jsonb_build_object('x', repeat('a', 9000000)), 'client-1')");
  std::vector<sync::CellName> cells(7, {"todos", "r", "x"});
  EXPECT_EQ(lookup(cells).error, std::nullopt);
  cells.push_back(cells.front());
  EXPECT_EQ(lookup(cells).error, ErrorCode::kTooLarge);
  EXPECT_EQ(process.metric("mana_sync_reads_refused_total{bound=\"bytes\"}"), 1);
}

}  // namespace
}  // namespace mana_sync::store
