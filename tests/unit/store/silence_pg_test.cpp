// What happens when nothing comes from PostgreSQL any more though the connection stands: the
// network loses it, or something in between has forgotten it (ARCHITECTURE §5, §6).
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>

#include "mana_sync/base/limits.h"
#include "silence.h"
#include "statements.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::Contains;
using testing::Each;
using testing::Not;
using testing::SizeIs;

constexpr int64_t kStampUs = 1'700'000'000'000'000;

class SilenceTest : public StoreTest {
 protected:
  // After how long the kernel gives each connection up, by what is set for it.
  [[nodiscard]] std::vector<int> timeouts_ms() const {
    std::vector<int> timeouts;
    for (const int fd : connections_.fds()) {
      int ms = 0;
      socklen_t size = sizeof ms;
      EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &size), 0);
      timeouts.push_back(ms);
    }
    return timeouts;
  }

  // Runs the process until PostgreSQL shows something, which wakes no loop.
  static void run_until_seen(StoreProcess& process, const std::function<bool()>& seen) {
    process.run_until([&] {
      process.loop->after(std::chrono::milliseconds(1), [] {});
      return seen();
    });
  }

  const std::string impatient_url_ = url + "?tcp_user_timeout=300";
  // The kernel waits long enough for nothing to be noticed by it.
  const std::string patient_url_ = url + "?tcp_user_timeout=0";
  test::Session admin_{url};
  test::NewConnections connections_{url};
};

TEST_F(SilenceTest, EachConnection_IsGivenUpWhenNothingIsAcknowledged) {
  StoreProcess process(url);
  process.wait_ready();
  EXPECT_THAT(timeouts_ms(), SizeIs(3));
  EXPECT_THAT(timeouts_ms(), Each(limits::kDatabaseUnacknowledgedTimeoutMs));
}

TEST_F(SilenceTest, WhatTheUrlSaysOfIt_Counts) {
  StoreProcess process(impatient_url_);
  process.wait_ready();
  EXPECT_THAT(timeouts_ms(), Each(300));
}

TEST_F(SilenceTest, UnitWhoseAnswerDoesNotArrive_IsCommittedOnceOverAnotherConnection) {
  StoreProcess process(impatient_url_);
  process.wait_ready();
  connections_.silence();
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  EXPECT_EQ(process.commit(unit), CommitOutcome::kCommitted);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"), "1");
  EXPECT_TRUE(process.read_page(page_query()).has_value());
  process.wait_ready();
}

TEST_F(SilenceTest, Standby_TakesOverWhenItIsItsOwnConnectionThatIsSilent) {
  admin_.exec(fmt::format("SELECT pg_advisory_lock({})", kWriterLock));
  StoreProcess standby(patient_url_);
  run_until_seen(standby, [&] {
    return value(
               "SELECT count(*) FROM pg_stat_activity "
               "WHERE state = 'idle' AND query LIKE '%state_change%'") == "1";
  });
  connections_.silence();
  admin_.exec(fmt::format("SELECT pg_advisory_unlock({})", kWriterLock));
  standby.pass_ms(limits::kLeaseRetryIntervalMs);
  // It gets the lock, and does not hear of it.
  run_until_seen(standby, [&] {
    return value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") != "0";
  });
  standby.pass_ms(limits::kLeaseAnswerTimeoutMs);
  standby.wait_ready();
}

TEST_F(SilenceTest, Holder_HasTheLeaseBackThoughItsLastSessionLives) {
  StoreProcess process(patient_url_);
  process.wait_ready();
  connections_.silence();
  const std::string renewed = "SELECT high_water_us FROM mana_sync_lease";
  const std::string before = value(renewed);
  process.pass_ms(limits::kLeaseRenewIntervalMs);
  run_until_seen(process, [&] { return value(renewed) != before; });
  process.pass_ms(limits::kLeaseAnswerTimeoutMs);
  process.run_until([&] { return process.grants == 2; });
  EXPECT_THAT(process.states, Not(Contains(StoreState::kStandby)));
  EXPECT_FALSE(process.has_logged("lease_holder_silent"));
}

TEST_F(SilenceTest, FenceThatIsNotAnswered_EndsTheConnectionOfTheLease) {
  StoreProcess process(patient_url_);
  process.wait_ready();
  admin_.exec("BEGIN; LOCK TABLE sync_changes IN SHARE MODE");  // holds off writers
  TestUnit unit(kStream);
  unit.add(kStampUs, "r");
  std::optional<CommitOutcome> outcome;
  process.port().commit(unit.unit(), [&](CommitOutcome result, auto) { outcome = result; });
  process.run_until(
      [&] { return admin_.exec("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] == "1"; });
  connections_.silence();
  process.pass_ms(limits::kRequestDeadlineMs);
  process.run_until([&] { return outcome.has_value(); });
  EXPECT_EQ(outcome, CommitOutcome::kUnknown);
  admin_.exec("COMMIT");
  admin_.exec("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
  process.pass_ms(limits::kLeaseAnswerTimeoutMs);
  process.run_until([&] { return process.grants == 2; });
}

}  // namespace
}  // namespace mana_sync::store
