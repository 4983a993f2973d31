// The lease (ARCHITECTURE §5, PROTOCOL 10.1).
#include <fmt/format.h>

#include "mana_sync/base/limits.h"
#include "statements.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::HasSubstr;
using testing::Not;

using LeaseTest = StoreTest;

constexpr int64_t kHourUs = 3'600'000'000;

int64_t stored_high_water(const std::string& url) {
  return std::stoll(test::exec_value(url, "SELECT high_water_us FROM mana_sync_lease"));
}

TEST_F(LeaseTest, FirstGrant_ReachesAheadOfTheClock) {
  StoreProcess process(url);
  process.wait_ready();
  EXPECT_EQ(process.floor_us, 0);
  EXPECT_GT(process.high_water_us, process.clock.wall_us());
  EXPECT_LE(process.high_water_us, process.clock.wall_us() + limits::kLeaseAheadUs);
  EXPECT_EQ(stored_high_water(url), process.high_water_us);
}

TEST_F(LeaseTest, Renewal_RaisesTheHighWater) {
  StoreProcess process(url);
  process.wait_ready();
  const int64_t first_us = process.high_water_us;
  process.pass_ms(limits::kLeaseRenewIntervalMs);
  process.run_until([&] { return process.grants == 2; });
  EXPECT_GT(process.high_water_us, first_us);
  EXPECT_EQ(stored_high_water(url), process.high_water_us);
}

TEST_F(LeaseTest, AfterACrash_NextStartBeginsAboveTheHighWater) {
  int64_t high_water_us = 0;
  {
    StoreProcess crashing(url);
    crashing.wait_ready();
    high_water_us = crashing.high_water_us;
  }
  StoreProcess next(url);
  next.wait_ready();
  EXPECT_EQ(next.floor_us, high_water_us);
  EXPECT_GT(next.high_water_us, next.floor_us);
}

TEST_F(LeaseTest, AfterAClose_NextStartBeginsAboveTheLastStamp) {
  int64_t last_us = 0;
  {
    StoreProcess process(url);
    process.wait_ready();
    last_us = process.clock.wall_us();
    process.close(last_us);
  }
  EXPECT_EQ(stored_high_water(url), last_us);
  StoreProcess next(url);
  next.wait_ready();
  EXPECT_EQ(next.floor_us, last_us);
}

TEST_F(LeaseTest, CloseWithoutAStamp_NeverGoesBelowTheFloor) {
  StoreProcess first(url);
  first.wait_ready();
  first.close(first.clock.wall_us());
  StoreProcess second(url);
  second.wait_ready();
  second.close(0);
  EXPECT_EQ(stored_high_water(url), second.floor_us);
}

TEST_F(LeaseTest, ClockBehindTheFloor_HighWaterRunsOnAheadOfTheStamps) {
  StoreProcess first(url);
  first.wait_ready();
  const int64_t last_us = first.clock.wall_us();
  first.close(last_us);

  StoreProcess behind(url, -kHourUs);
  behind.wait_ready();
  EXPECT_EQ(behind.floor_us, last_us);
  EXPECT_EQ(behind.high_water_us, last_us + limits::kLeaseAheadUs);
  // The stamps have run on past the floor, one microsecond each.
  behind.store->note_stamp(last_us + 5'000'000);
  behind.pass_ms(limits::kLeaseRenewIntervalMs);
  behind.run_until([&] { return behind.grants == 2; });
  EXPECT_EQ(behind.high_water_us, last_us + 5'000'000 + limits::kLeaseAheadUs);
}

TEST_F(LeaseTest, ClockSteppedBack_HighWaterNeverFalls) {
  StoreProcess process(url);
  process.wait_ready();
  const int64_t first_us = process.high_water_us;
  process.clock.wall_offset_us = -kHourUs;
  process.pass_ms(limits::kLeaseRenewIntervalMs);
  process.run_until([&] { return process.grants == 2; });
  EXPECT_EQ(process.high_water_us, first_us);
}

TEST_F(LeaseTest, SecondProcess_WaitsUntilTheFirstIsGone) {
  auto first = std::make_unique<StoreProcess>(url);
  first->wait_ready();
  StoreProcess second(url);
  second.run_until([&] { return second.has_logged("lease_waiting"); });
  second.run_until([&] { return second.store->state() == StoreState::kStandby; });
  EXPECT_EQ(second.grants, 0);
  const int64_t high_water_us = first->high_water_us;
  first.reset();
  second.wait_ready();
  EXPECT_EQ(second.floor_us, high_water_us);
}

TEST_F(LeaseTest, ConnectionLost_SameProcessKeepsItsFloor) {
  StoreProcess process(url);
  process.wait_ready();
  const int64_t floor_us = process.floor_us;
  exec(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
      "database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  process.run_until([&] { return process.grants == 2; });
  EXPECT_EQ(process.floor_us, floor_us);
  EXPECT_FALSE(process.has_logged("lease_lost"));
}

// A writer that slept through its own succession is refused by the database.
TEST_F(LeaseTest, AnotherHolderMeanwhile_OldUnitsAreNeverStored) {
  StoreProcess process(url);
  process.wait_ready();
  const int64_t other_high_water_us = process.high_water_us + kHourUs;
  exec(fmt::format("UPDATE mana_sync_lease SET epoch = epoch + 1, high_water_us = {}",
                   other_high_water_us));
  TestUnit unit(kStream);
  unit.add(process.clock.wall_us(), "r");
  process.pass_ms(limits::kLeaseRenewIntervalMs);
  EXPECT_EQ(process.commit(unit), CommitOutcome::kFailed);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "0");
  process.wait_ready();
  EXPECT_TRUE(process.has_logged("lease_lost"));
  EXPECT_EQ(process.floor_us, other_high_water_us);

  TestUnit next(kStream);
  next.add(process.floor_us + 1, "r");
  EXPECT_EQ(process.commit(next), CommitOutcome::kCommitted);
}

// Lets a standby look once at the session that holds the lease.
void look_at_holder(StoreProcess& standby, const std::string& url) {
  const auto last_look = [&url] {
    return test::exec_value(url,
                            "SELECT max(query_start) FROM pg_stat_activity "
                            "WHERE query LIKE '%state_change%' AND pid <> pg_backend_pid()");
  };
  const std::string before = last_look();
  standby.pass_ms(limits::kLeaseRetryIntervalMs);
  standby.run_until([&] { return last_look() != before; });
}

// A process that stands still (nobody runs it here), while its sessions live.
TEST_F(LeaseTest, HolderThatDoesNotRenew_IsSucceeded) {
  StoreProcess frozen(url);
  frozen.wait_ready();
  const int64_t high_water_us = frozen.high_water_us;
  StoreProcess standby(url);
  standby.run_until([&] { return standby.has_logged("lease_waiting"); });
  for (int looks = 0; looks < limits::kLeaseIdleLooksMax; ++looks) look_at_holder(standby, url);
  standby.wait_ready();
  EXPECT_TRUE(standby.has_logged("lease_holder_silent"));
  EXPECT_EQ(standby.floor_us, high_water_us);

  TestUnit unit(kStream);
  unit.add(frozen.clock.wall_us(), "late");
  EXPECT_EQ(frozen.commit(unit), CommitOutcome::kFailed);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "0");
}

TEST_F(LeaseTest, HolderThatRenews_IsLeftAlone) {
  StoreProcess holder(url);
  holder.wait_ready();
  StoreProcess standby(url);
  standby.run_until([&] { return standby.has_logged("lease_waiting"); });
  for (int looks = 0; looks < limits::kLeaseIdleLooksMax + 4; ++looks) {
    if (looks == limits::kLeaseIdleLooksMax / 2) {
      const int grants = holder.grants;
      holder.pass_ms(limits::kLeaseRenewIntervalMs);
      holder.run_until([&] { return holder.grants > grants; });
    }
    look_at_holder(standby, url);
  }
  EXPECT_FALSE(standby.has_logged("lease_holder_silent"));
  EXPECT_EQ(standby.grants, 0);
}

TEST_F(LeaseTest, TakenOver_UnitsFailAtOnceAndNotAtTheirDeadline) {
  StoreProcess first(url);
  first.wait_ready();
  StoreProcess second(url);
  second.run_until([&] { return second.has_logged("lease_waiting"); });
  exec(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
      "database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  second.wait_ready();

  TestUnit unit(kStream);
  unit.add(first.clock.wall_us(), "late");
  const int64_t begin_ns = first.clock.steady_ns();
  EXPECT_EQ(first.commit(unit), CommitOutcome::kFailed);
  EXPECT_LT(first.clock.steady_ns() - begin_ns, limits::kRequestDeadlineMs * 1'000'000);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "0");
}

// The batch of a process that is gone may still be at work in PostgreSQL: it must not be stored
// below cursors that its successor hands out.
TEST_F(LeaseTest, TakeOver_EndsBatchesStillUnderWay) {
  test::Session blocker(url);
  TestUnit unit(kStream);
  {
    StoreProcess gone(url);
    gone.wait_ready();
    blocker.exec("BEGIN; LOCK TABLE sync_changes IN SHARE MODE");  // holds off writers
    unit.add(gone.clock.wall_us(), "late");
    gone.port().commit(unit.unit(), [](CommitOutcome, auto) { FAIL(); });
    const std::string waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    gone.run_until([&] { return blocker.exec(waiting).front().front() == "1"; });
  }
  StoreProcess next(url);
  next.run_until([&] { return next.grants == 1; });
  blocker.exec("COMMIT");
  next.wait_ready();
  TestUnit first(kStream);
  first.add(next.floor_us + 1, "first");
  EXPECT_EQ(next.commit(first), CommitOutcome::kCommitted);
  EXPECT_EQ(value("SELECT string_agg(record_id, ',') FROM sync_changes"), "first");
}

// So it is with one that came in part: the rest is lost, and PostgreSQL does not know.
TEST_F(LeaseTest, BatchThatDoesNotEnd_IsEndedAfterAWhile) {
  StoreProcess process(url);
  process.wait_ready();
  test::Session stuck(url);
  stuck.exec(fmt::format("BEGIN; SELECT pg_advisory_xact_lock_shared({})", kBatchLock));
  const std::string epoch = value("SELECT epoch FROM mana_sync_lease");
  exec(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
      "mode = 'ExclusiveLock' AND "
      "database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  process.run_until([&] { return value("SELECT epoch FROM mana_sync_lease") != epoch; });
  EXPECT_EQ(process.grants, 1);
  process.pass_ms(limits::kLeaseSettleTimeoutMs);
  process.run_until([&] { return process.grants == 2; });
  EXPECT_TRUE(process.has_logged("batches_ended"));
  EXPECT_FALSE(process.has_logged("lease_lost"));
}

TEST_F(LeaseTest, FirstStartOverAnExistingTable_BeginsAboveItsRows) {
  exec(
      "CREATE TABLE sync_changes (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), "
      "app_id TEXT NOT NULL, table_name TEXT NOT NULL, record_id TEXT NOT NULL, "
      "user_id TEXT NOT NULL, op TEXT NOT NULL, data JSONB, client_id TEXT NOT NULL, "
      "created_at TIMESTAMPTZ NOT NULL DEFAULT now())");
  exec(
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id, "
      "created_at) VALUES ('a', 't', 'r', 'u', 'insert', 'c', now() + interval '2 s')");
  StoreProcess process(url);
  process.wait_ready();
  EXPECT_EQ(std::to_string(process.floor_us),
            value("SELECT (extract(epoch FROM max(created_at)) * 1000000)::bigint "
                  "FROM sync_changes"));
}

TEST_F(LeaseTest, CloseWhileDisconnected_EndsAtOnce) {
  StoreProcess process("postgresql://127.0.0.1:1/nowhere");
  process.close(1);
}

TEST(StoreOpen, UrlThatDoesNotParse_IsRefusedWithoutQuotingIt) {
  SystemClock clock;
  Logger log(LogLevel::kOff, clock);
  Metrics metrics;
  auto loop = net::Loop::create(clock, log, metrics);
  ASSERT_TRUE(loop.has_value()) << loop.error().message;
  struct : StoreEvents {
    void on_store_state(StoreState) override {}
    void on_lease(int64_t, int64_t) override {}
  } events;
  for (const char* bad :
       {"postgresql://user:hunter2@[::1/db", "hunter2", "postgresql://user:hunter2@h/db?hunter2",
        "password='hunter2", "postgresql://u:hunter2%zz@h/db"}) {
    const auto store = Store::open(**loop, events, {bad, 1, 1});
    ASSERT_FALSE(store.has_value()) << bad;
    EXPECT_EQ(store.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(store.error().message, Not(HasSubstr("hunter2")));
    EXPECT_THAT(store.error().message, HasSubstr("URL"));
  }
}

}  // namespace
}  // namespace mana_sync::store
