// Whose and of when a cell's value is (StorePort::lookup).
#include <fmt/format.h>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using testing::ElementsAre;

constexpr int64_t kStampUs = 1'700'000'000'000'000;

int64_t ms(std::string_view time) {
  return parse_rfc3339_ms(time).value();
}

// With few asked cells of a record and with many: they are looked up in two ways, to one end.
class LookupCellTest : public StoreTest, public testing::WithParamInterface<size_t> {
 protected:
  LookupCellTest() { process.wait_ready(); }

  // A row of record r as another program writes it.
  void write(int64_t offset_us, std::string_view client, std::string_view op, std::string_view data,
             std::string_view times) {
    exec(fmt::format(
        "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
        "field_timestamps, client_id, created_at) VALUES ('todo', 'todos', 'r', 'user-1', '{}', "
        "{}, '{}', '{}', timestamptz 'epoch' + {} * interval '1 us')",
        op, data.empty() ? "NULL" : fmt::format("'{}'", data), times, client,
        kStampUs + offset_us));
  }

  std::optional<sync::StoredCell> lookup(std::string_view field, std::optional<int64_t> time_ms) {
    std::vector<sync::CellName> cells{{"todos", "r", std::string(field), time_ms}};
    for (size_t i = 0; i < GetParam(); ++i) {
      cells.push_back({"todos", "r", fmt::format("other{}", i), 1});
    }
    auto found = process.lookup(std::move(cells));
    if (!found) {
      ADD_FAILURE() << found.error().message;
      return std::nullopt;
    }
    return found->front();
  }
  std::string value_of(std::string_view field, std::optional<int64_t> time_ms) {
    const auto found = lookup(field, time_ms);
    return found ? found->value : "nothing";
  }

  StoreProcess process{url};
};

INSTANTIATE_TEST_SUITE_P(OtherCells, LookupCellTest,
                         testing::Values(0, limits::kLookupCellsOneByOneMax),
                         testing::PrintToStringParamName());

TEST_P(LookupCellTest, Value_ComesWithItsTimeStampAndClient) {
  write(7, "client-1", "update", R"({"title": "x"})", R"({"title": "2024-01-01T10:05:00.000Z"})");
  const auto found = lookup("title", ms("2024-01-01T10:05:00.000Z"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->value, R"("x")");
  EXPECT_EQ(found->edit_time, R"("2024-01-01T10:05:00.000Z")");
  EXPECT_EQ(found->stamp_us, kStampUs + 7);
  EXPECT_EQ(found->client_id, "client-1");
}

// PROTOCOL 5.1: the original service stored edits that lost, too.
TEST_P(LookupCellTest, Winner_IsFoundByItsTimeBehindNewerRows) {
  write(1, "a", "update", R"({"n": 1})", R"({"n": "2024-01-01T10:00:00.000Z"})");
  write(2, "b", "update", R"({"n": 2})", R"({"n": "2024-01-01T10:09:00.000Z"})");
  write(3, "c", "update", R"({"n": 3})", R"({"n": "2024-01-01T10:08:00.000Z"})");
  write(4, "c", "update", R"({"m": 4})", R"({"m": "2024-01-01T10:09:00.000Z"})");
  EXPECT_EQ(value_of("n", ms("2024-01-01T10:09:00Z")), "2");
  EXPECT_EQ(value_of("n", ms("2024-01-01T10:08:00Z")), "3");
  EXPECT_EQ(value_of("n", ms("2024-01-01T10:07:00Z")), "3") << "no row says so: the newest";
  EXPECT_EQ(value_of("n", std::nullopt), "3");
  write(5, "", "update", R"({"n": 2})", R"({"n": "2024-01-01T10:09:00.000Z"})");
  EXPECT_EQ(lookup("n", ms("2024-01-01T10:09:00Z"))->stamp_us, kStampUs + 5) << "the newest of two";
}

// PROTOCOL 4.3: what another program wrote.
TEST_P(LookupCellTest, Time_IsFoundHoweverItIsSpelled) {
  write(1, "c", "update", R"({"f": 1})", R"({"f": {"at": "2024-01-01T10:00:00.001Z"}})");
  write(2, "c", "update", R"({"f": 2})", R"({"f": {"updatedAt": "2024-01-01T10:00:00.002Z"}})");
  write(3, "c", "update", R"({"f": 3})", R"({"f": "2024-01-01T10:00:00Z"})");
  write(4, "c", "update", R"({"f": 4})", R"({"f": "2024-01-01T10:00:00.12Z"})");
  write(5, "c", "update", "", R"({"f": "2024-01-01T10:00:00.005Z"})");
  write(1'001, "c", "update", R"({"f": 6})", "{}");
  write(3'000, "c", "update", R"({"f": 7})", R"({"f": null})");
  write(5'000, "c", "update", R"(["f"])", R"("f")");
  EXPECT_EQ(value_of("f", ms("2024-01-01T10:00:00.001Z")), "1");
  EXPECT_EQ(value_of("f", ms("2024-01-01T10:00:00.002Z")), "2");
  EXPECT_EQ(value_of("f", ms("2024-01-01T10:00:00Z")), "3");
  EXPECT_EQ(value_of("f", ms("2024-01-01T10:00:00.120Z")), "4");
  EXPECT_EQ(value_of("f", ms("2024-01-01T10:00:00.005Z")), "null");
  EXPECT_EQ(value_of("f", kStampUs / 1000 + 2), "6") << "received then (PROTOCOL 5.8)";
  EXPECT_EQ(value_of("f", kStampUs / 1000 + 3), "7");
  EXPECT_EQ(value_of("f", 0), "7");
  EXPECT_EQ(lookup("f", ms("2024-01-01T10:00:00.001Z"))->edit_time,
            R"({"at": "2024-01-01T10:00:00.001Z"})");
  EXPECT_EQ(lookup("f", kStampUs / 1000 + 2)->edit_time, "");
}

// PROTOCOL 2.8: a delete is an edit of the field deletedAt.
TEST_P(LookupCellTest, Delete_IsFoundByItsTime) {
  write(1, "c", "delete", "", R"({"deletedAt": "2024-01-01T10:01:00.000Z"})");
  write(2, "c", "delete", R"({"deletedAt": "2024-01-01T10:02:00Z"})", "{}");
  write(1'001, "c", "delete", "", "{}");
  write(2'000, "c", "update", R"({"deletedAt": null})", R"({"deletedAt": "2024-01-01T10:03:00Z"})");
  EXPECT_EQ(value_of("deletedAt", ms("2024-01-01T10:01:00Z")), R"("2024-01-01T10:01:00.000Z")");
  EXPECT_EQ(value_of("deletedAt", ms("2024-01-01T10:02:00Z")), R"("2024-01-01T10:02:00Z")");
  EXPECT_EQ(value_of("deletedAt", kStampUs / 1000 + 2), R"("2023-11-14T22:13:20.002Z")");
  EXPECT_EQ(value_of("deletedAt", ms("2024-01-01T10:03:00Z")), "null");
}

TEST_P(LookupCellTest, FieldThatNoRowHas_IsNotFound) {
  write(1, "c", "update", R"({"n": 1})", R"({"n": "2024-01-01T10:00:00.000Z"})");
  write(2, "c", "update", "", "{}");
  EXPECT_EQ(value_of("f", 1), "nothing");
  EXPECT_EQ(value_of("f", std::nullopt), "nothing");
  EXPECT_EQ(value_of("deletedAt", 1), "nothing");
}

TEST_P(LookupCellTest, LongHistory_HidesNothing) {
  write(1, "a", "update", R"({"n": 1, "old": 1})",
        R"({"n": "2024-01-01T10:09:00.000Z", "old": "2024-01-01T10:09:00.000Z"})");
  exec(fmt::format(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, "
      "field_timestamps, client_id, created_at) SELECT 'todo', 'todos', 'r', 'user-1', 'update', "
      "jsonb_build_object('n', k), '{{\"n\": \"2024-01-01T10:00:00.000Z\"}}', 'b', "
      "timestamptz 'epoch' + ({} + k) * interval '1 us' FROM generate_series(2, {}) k",
      kStampUs, 2 * limits::kLookupRowsOneByOneMax));
  EXPECT_EQ(value_of("n", ms("2024-01-01T10:09:00Z")), "1");
  EXPECT_EQ(value_of("old", ms("2024-01-01T10:09:00Z")), "1");
  EXPECT_EQ(value_of("old", ms("2024-01-01T10:08:00Z")), "1");
  EXPECT_EQ(value_of("n", ms("2024-01-01T10:08:00Z")),
            fmt::format("{}", 2 * limits::kLookupRowsOneByOneMax));
}

}  // namespace
}  // namespace mana_sync::store
