#include <fmt/format.h>

#include "mana_sync/base/limits.h"
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
                            answer.values = result->values;
                            for (const auto& row : result->inserts) {
                              answer.inserts.emplace_back(row.data);
                            }
                          });
    process.run_until([&] { return is_done; });
    return answer;
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

TEST_F(LookupTest, Inserts_AreTheClientsOwnAndWhatIsLeftOfThem) {
  TestUnit unit(kStream);
  const auto add = [&](int64_t offset, std::string_view record, sync::Op op,
                       std::string_view data) -> sync::ChangeRow& {
    sync::ChangeRow& row = unit.add(kStampUs + offset, record);
    row.op = op;
    row.data = data;
    return row;
  };
  add(1, "b", sync::Op::kInsert, R"({"n": 1})");
  add(2, "a", sync::Op::kInsert, R"({"n": 2})");
  add(3, "a", sync::Op::kUpdate, R"({"n": 3})");
  add(4, "a", sync::Op::kUpdate, R"({"updatedAt": 4})");
  add(5, "a", sync::Op::kInsert, R"({"n": 5})").client_id = "client-2";
  add(6, "c", sync::Op::kInsert, R"({"n": 6})");
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  const Answer answer = lookup({}, {{"todos", "a"}, {"todos", "b"}, {"todos", "a"}, {"x", "c"}});
  EXPECT_THAT(answer.inserts, ElementsAre(R"({"n": 1})", R"({"n": 2})", R"({"updatedAt": 4})"));
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
}

}  // namespace
}  // namespace mana_sync::store
