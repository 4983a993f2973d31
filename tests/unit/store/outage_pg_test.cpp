// What happens when PostgreSQL, or a connection to it, goes away (ARCHITECTURE §6).
#include <fmt/format.h>

#include <deque>
#include <set>

#include "mana_sync/base/limits.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::ElementsAre;
using testing::IsEmpty;

using OutageTest = StoreTest;

constexpr int64_t kStampUs = 1'700'000'000'000'000;

// Clients that each hand in unit after unit, as soon as the last is answered.
class Writers {
 public:
  Writers(StoreProcess& process, int count) : process_(process) {
    for (int i = 0; i < count; ++i) {
      streams_.push_back({fmt::format("user-{}", i), "todo"});
      write(streams_.back());
    }
  }

  bool stopping = false;
  std::vector<std::string> committed;  // records, one for each unit
  int others = 0;                      // units with any other outcome

 private:
  void write(const sync::StreamName& stream) {
    if (stopping) return;
    TestUnit& unit = units_.emplace_back(stream);
    const std::string record = fmt::format("r{}", ++last_);
    for (int i = 0; i < 3; ++i) unit.add(kStampUs + 3 * last_ + i, unit.keep(record));
    process_.port().commit(unit.unit(), [this, &stream, record](CommitOutcome outcome, auto) {
      if (outcome == CommitOutcome::kCommitted) {
        committed.push_back(record);
      } else {
        ++others;
      }
      write(stream);
    });
  }

  StoreProcess& process_;
  std::deque<sync::StreamName> streams_;
  std::deque<TestUnit> units_;
  int64_t last_ = 0;
};

// Each committed unit is there once and whole.
void expect_each_once(const std::string& url, const Writers& writers) {
  std::vector<std::string> missing;
  const auto rows =
      test::exec(url, "SELECT record_id FROM sync_changes GROUP BY record_id HAVING count(*) = 3");
  std::set<std::string> whole;
  for (const auto& row : rows) whole.insert(row.front());
  for (const std::string& record : writers.committed) {
    if (!whole.contains(record)) missing.push_back(record);
  }
  EXPECT_THAT(missing, IsEmpty());
  EXPECT_EQ(test::exec_value(url, "SELECT count(*) FROM sync_changes"),
            std::to_string(3 * whole.size()));
}

TEST_F(OutageTest, PostgresKilledWithBatchesInFlight_EachCommittedUnitIsThereOnce) {
  StoreProcess process(url);
  process.wait_ready();
  Writers writers(process, 20);
  for (size_t rounds = 1; rounds <= 2; ++rounds) {
    process.run_until([&] { return writers.committed.size() > rounds * 500; });
    EXPECT_GT(process.store->pending(), 0U);
    postgres().kill();
    process.run_until([&] { return process.store->state() == StoreState::kDown; });
    process.in_no_time([] { postgres().start(); });
    process.wait_ready();
  }
  const size_t before = writers.committed.size();
  process.run_until([&] { return writers.committed.size() > before + 500; });
  writers.stopping = true;
  process.run_until([&] { return process.store->pending() == 0; });

  EXPECT_EQ(writers.others, 0);
  EXPECT_GT(process.metric("mana_sync_commit_retries_total"), 0);
  expect_each_once(url, writers);
}

TEST_F(OutageTest, WriteConnectionsEnded_NothingIsLostOrDoubled) {
  StoreProcess process(url);
  process.wait_ready();
  Writers writers(process, 20);
  test::Session admin(url);
  for (size_t rounds = 1; rounds <= 5; ++rounds) {
    process.run_until([&] { return writers.committed.size() > rounds * 300; });
    admin.exec(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  }
  process.run_until([&] { return writers.committed.size() > 2000; });
  writers.stopping = true;
  process.run_until([&] { return process.store->pending() == 0; });
  EXPECT_EQ(writers.others, 0);
  expect_each_once(url, writers);
}

TEST_F(OutageTest, UnsentUnitPastItsDeadline_FailedAndStoredNever) {
  StoreProcess process(url);
  process.wait_ready();
  postgres().kill();
  process.run_until([&] { return process.store->state() == StoreState::kDown; });
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  std::optional<CommitOutcome> outcome;
  process.port().commit(unit.unit(), [&](CommitOutcome result, auto) { outcome = result; });
  process.pass_ms(limits::kRequestDeadlineMs);
  process.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(outcome, CommitOutcome::kFailed);
  EXPECT_EQ(process.metric("mana_sync_commits_expired_total"), 1);
  postgres().start();
  process.wait_ready();
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "0");
}

// A batch whose answer does not come may be stored long after: until that is settled, nothing of
// its stream is read, or a follower would never see it (PROTOCOL 10.1).
TEST_F(OutageTest, UnansweredUnitPastItsDeadline_UnknownAndItsStreamReadOnlyWhenSettled) {
  StoreProcess process(url);
  process.wait_ready();
  test::Session blocker(url);
  blocker.exec("BEGIN; LOCK TABLE sync_changes IN SHARE MODE");  // holds off writers, not readers
  TestUnit unit(kStream);
  unit.add(kStampUs, "late");
  std::optional<CommitOutcome> outcome;
  process.port().commit(unit.unit(), [&](CommitOutcome result, auto) { outcome = result; });
  const std::string waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
  process.run_until([&] { return blocker.exec(waiting).front().front() == "1"; });
  process.pass_ms(limits::kRequestDeadlineMs);
  process.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(outcome, CommitOutcome::kUnknown);

  bool is_read = false;
  std::vector<std::string> seen;
  process.port().read_page(page_query(), [&](Result<sync::Page> page) {
    is_read = true;
    ASSERT_TRUE(page.has_value()) << page.error().message;
    for (const auto& row : page->rows) seen.emplace_back(row.record);
  });
  sync::PageQuery other = page_query();
  other.stream.user_id = "somebody else";
  EXPECT_TRUE(process.read_page(other).has_value()) << "other streams do not wait";
  EXPECT_FALSE(is_read);

  blocker.exec("COMMIT");
  process.run_until([&] { return is_read; });
  const bool is_stored = value("SELECT count(*) FROM sync_changes") == "1";
  EXPECT_EQ(seen.size(), is_stored ? 1U : 0U) << "what was read is what there is for good";
}

// Connections are given up and made anew as long as a lock is held: each of their sessions would
// wait behind it, until PostgreSQL has no room for more.
TEST_F(OutageTest, ConnectionGivenUpBehindALock_LeavesNoSessionThere) {
  StoreProcess process(url);
  process.wait_ready();
  test::Session blocker(url);
  blocker.exec("BEGIN; LOCK TABLE sync_changes IN SHARE MODE");
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  process.port().commit(unit.unit(), [](CommitOutcome, auto) {});
  const auto waiting = [&] { return blocker.exec("SELECT pid FROM pg_locks WHERE NOT granted"); };
  process.run_until([&] { return waiting().size() == 1; });
  const test::Rows given_up = waiting();
  process.pass_ms(limits::kRequestDeadlineMs);
  process.run_until([&] { return waiting().size() == 1 && waiting() != given_up; });
  blocker.exec("COMMIT");
  process.wait_ready();
}

TEST_F(OutageTest, ReadDuringAnOutage_IsAnsweredAfterIt) {
  StoreProcess process(url);
  process.wait_ready();
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  ASSERT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  postgres().kill();
  std::optional<size_t> rows;
  process.port().read_page(page_query(), [&](Result<sync::Page> page) {
    ASSERT_TRUE(page.has_value()) << page.error().message;
    rows = page->rows.size();
  });
  process.run_until([&] { return process.store->state() == StoreState::kDown; });
  EXPECT_FALSE(rows.has_value());
  process.in_no_time([] { postgres().start(); });
  process.run_until([&] { return rows.has_value(); });
  EXPECT_EQ(rows, 1U);
}

TEST_F(OutageTest, ReadPastItsDeadline_Unavailable) {
  StoreProcess process("postgresql://127.0.0.1:1/nowhere");
  std::optional<ErrorCode> error;
  process.port().read_page(page_query(),
                           [&](Result<sync::Page> page) { error = page.error().code; });
  process.pass_ms(limits::kRequestDeadlineMs);
  process.run_until([&] { return error.has_value(); });
  EXPECT_EQ(error, ErrorCode::kUnavailable);
  EXPECT_EQ(process.metric("mana_sync_reads_refused_total{bound=\"time\"}"), 1);
  EXPECT_EQ(process.store->pending(), 0U);
}

TEST_F(OutageTest, ReadQueueFull_UnavailableAtOnce) {
  StoreProcess process("postgresql://127.0.0.1:1/nowhere");
  size_t refused = 0;
  for (size_t i = 0; i < limits::kReadsWaitingMax + 3; ++i) {
    sync::PageQuery query = page_query();
    query.stream.user_id = std::to_string(i % 100);
    process.port().read_page(std::move(query), [&](Result<sync::Page> page) {
      refused += page.error().code == ErrorCode::kUnavailable ? 1 : 0;
    });
  }
  EXPECT_EQ(refused, 0U) << "a callback never comes from within the call";
  process.run_until([&] { return refused > 0; });
  EXPECT_EQ(refused, 3U);
  EXPECT_EQ(process.metric("mana_sync_reads_refused_total{bound=\"all\"}"), 3);
}

TEST_F(OutageTest, ReadsOfOneUserDoNotFillTheQueue) {
  StoreProcess process("postgresql://127.0.0.1:1/nowhere");
  size_t refused = 0;
  for (size_t i = 0; i < limits::kUserReadsWaitingMax + 3; ++i) {
    process.port().read_page(page_query(), [&](Result<sync::Page> page) {
      refused += page.error().code == ErrorCode::kUnavailable ? 1 : 0;
    });
  }
  process.run_until([&] { return refused > 0; });
  EXPECT_EQ(refused, 3U);
}

TEST_F(OutageTest, States_AreToldOnceEach) {
  postgres().stop();
  StoreProcess process(url);
  process.run_until([&] { return process.has_logged("database_connection_lost"); });
  EXPECT_THAT(process.states, IsEmpty());
  EXPECT_EQ(process.metric("mana_sync_database_up"), 0);
  postgres().start();
  process.wait_ready();
  EXPECT_EQ(process.metric("mana_sync_database_up"), 1);
  postgres().kill();
  process.run_until([&] { return process.metric("mana_sync_database_up") == 0; });
  postgres().start();
  process.wait_ready();
  EXPECT_THAT(process.states,
              ElementsAre(StoreState::kReady, StoreState::kDown, StoreState::kReady));
}

}  // namespace
}  // namespace mana_sync::store
