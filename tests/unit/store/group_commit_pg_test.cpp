#include <fmt/format.h>

#include <deque>
#include <optional>
#include <string>

#include "mana_sync/base/limits.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using GroupCommitTest = StoreTest;

// A stream of its own for each number.
sync::StreamName stream_no(int number) {
  return {fmt::format("user-{}", number), "todo"};
}

constexpr int64_t kStampUs = 1'700'000'000'000'000;

TEST_F(GroupCommitTest, CommittedRow_IsStoredAsItWas) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit({"user \xc3\xa9\xe2\x82\xac", "app"});
  sync::ChangeRow& row = unit.add(kStampUs + 123'456, "rec\xf0\x9f\x98\x80 \"quoted\" {null}");
  row.op = sync::Op::kInsert;
  row.table = "a,b";
  row.client_id = "";
  row.data = R"({"big": 123456789012345678901234567890.12300, "empty": "", "null": null, "": 1})";
  row.field_timestamps = "{}";
  row.schema_version = 1;
  row.actor = R"({"kind": "user"})";
  row.origin = "";
  row.space_id = "space";
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);

  EXPECT_THAT(
      test::exec(url,
                 "SELECT user_id, app_id, table_name, record_id, op, data::text, "
                 "field_timestamps::text, client_id, schema_version, actor::text, "
                 "origin, space_id, extract(epoch FROM created_at) FROM sync_changes"),
      ElementsAre(ElementsAre(
          "user \xc3\xa9\xe2\x82\xac", "app", "a,b", "rec\xf0\x9f\x98\x80 \"quoted\" {null}",
          "insert",
          R"({"": 1, "big": 123456789012345678901234567890.12300, "null": null, "empty": ""})",
          "{}", "", "1", R"({"kind": "user"})", "", "space", "1700000000.123456")));
}

TEST_F(GroupCommitTest, AbsentParts_AreNull) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit(kStream);
  sync::ChangeRow& row = unit.add(kStampUs, "r");
  row.op = sync::Op::kDelete;
  row.data = {};
  row.field_timestamps = {};
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  EXPECT_THAT(test::exec(url,
                         "SELECT op, data, field_timestamps, actor, origin, space_id "
                         "FROM sync_changes"),
              ElementsAre(ElementsAre("delete", "NULL", "NULL", "NULL", "NULL", "NULL")));
}

TEST_F(GroupCommitTest, UnitsOfOneTick_ShareABatch) {
  StoreProcess process(url);
  process.wait_ready();
  std::deque<TestUnit> units;
  int committed = 0;
  for (int i = 0; i < 50; ++i) {
    units.emplace_back(stream_no(i)).add(kStampUs + i, "r");
    process.port().commit(units.back().unit(), [&](CommitOutcome outcome, std::string_view) {
      committed += outcome == CommitOutcome::kCommitted ? 1 : 0;
    });
  }
  EXPECT_EQ(process.store->pending(), 50U);
  process.run_until([&] { return committed == 50; });
  EXPECT_EQ(process.metric("mana_sync_batch_units_count"), 1);
  EXPECT_EQ(process.metric("mana_sync_batch_units_sum"), 50);
  EXPECT_EQ(process.metric("mana_sync_batch_rows_sum"), 50);
  EXPECT_EQ(process.metric("mana_sync_commit_duration_seconds_count"), 1);
  EXPECT_EQ(process.metric("mana_sync_write_queue_units"), 0);
  EXPECT_EQ(process.store->pending(), 0U);
}

// ARCHITECTURE §6: the batch is refused, each unit goes again alone.
TEST_F(GroupCommitTest, RefusedUnitAmongGoodOnes_FailsAlone) {
  StoreProcess process(url);
  process.wait_ready();
  std::deque<TestUnit> units;
  std::vector<CommitOutcome> outcomes(20, CommitOutcome::kUnknown);
  std::string reason;
  int answered = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    sync::ChangeRow& row = units.emplace_back(stream_no(static_cast<int>(i))).add(kStampUs, "r");
    if (i == 7) row.data = R"({"secret": "\u0000"})";
    process.port().commit(units.back().unit(), [&, i](CommitOutcome outcome, std::string_view why) {
      outcomes[i] = outcome;
      if (i == 7) reason = why;
      ++answered;
    });
  }
  process.run_until([&] { return answered == 20; });
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i], i == 7 ? CommitOutcome::kRefused : CommitOutcome::kCommitted) << i;
  }
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "19");
  EXPECT_THAT(reason, Not(HasSubstr("22P05")));  // PROTOCOL 9.2
  EXPECT_THAT(process.log_text, HasSubstr("22P05"));
  EXPECT_THAT(reason + process.log_text, Not(HasSubstr("secret")));
}

// PROTOCOL 2.1
TEST_F(GroupCommitTest, UnitWithOneBadRow_StoresNothing) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit(kStream);
  unit.add(kStampUs, "good");
  unit.add(kStampUs + 1, "bad").data = "{";
  unit.add(kStampUs + 2, "good too");
  EXPECT_EQ(process.commit(unit), CommitOutcome::kRefused);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "0");
}

TEST_F(GroupCommitTest, OtherError_IsAFailureThatALaterTryMaySurvive) {
  StoreProcess process(url);
  process.wait_ready();
  exec("ALTER TABLE sync_changes RENAME TO elsewhere");
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  EXPECT_EQ(process.commit(unit), CommitOutcome::kFailed);
  exec("ALTER TABLE elsewhere RENAME TO sync_changes");
  EXPECT_EQ(process.commit(unit), CommitOutcome::kCommitted);
}

TEST_F(GroupCommitTest, UnitStoredThoughItsAnswerWasLost_IsStoredOnce) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit(kStream);
  std::string id;
  append_uuid(id, unit.add(kStampUs, "r").event_id);
  test::Session other(url);
  other.exec("BEGIN; LOCK TABLE sync_changes IN SHARE ROW EXCLUSIVE MODE");
  std::optional<CommitOutcome> outcome;
  process.port().commit(unit.unit(),
                        [&](CommitOutcome result, std::string_view) { outcome = result; });
  process.run_until(
      [&] { return value("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; });
  // As if the first try had come this far.
  other.exec(
      fmt::format("INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, "
                  "client_id) VALUES ('{}', 'a', 't', 'r', 'u', 'update', 'c')",
                  id));
  other.exec("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted");
  process.run_until([&] { return process.metric("mana_sync_commit_retries_total") == 1; });
  other.exec("COMMIT");
  process.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(outcome, CommitOutcome::kCommitted);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "1");
}

// Only what was sent before may be there already; anything else would be an id that two rows have.
TEST_F(GroupCommitTest, RowWhoseIdIsTaken_IsRefusedAndNotTakenForStored) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  EXPECT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  EXPECT_EQ(process.commit(unit), CommitOutcome::kRefused);
}

TEST_F(GroupCommitTest, UnitLargerThanABatch_GoesAloneAndWhole) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit large(stream_no(1));
  for (size_t i = 0; i < limits::kBatchRowsMax + 1; ++i) {
    large.add(kStampUs + static_cast<int64_t>(i), "r");
  }
  TestUnit small(stream_no(2));
  small.add(kStampUs, "r");
  int committed = 0;
  for (TestUnit* unit : {&large, &small}) {
    process.port().commit(unit->unit(), [&](CommitOutcome outcome, std::string_view) {
      committed += outcome == CommitOutcome::kCommitted ? 1 : 0;
    });
  }
  process.run_until([&] { return committed == 2; });
  EXPECT_EQ(process.metric("mana_sync_batch_rows_count"), 2);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), std::to_string(limits::kBatchRowsMax + 2));
}

}  // namespace
}  // namespace mana_sync::store
