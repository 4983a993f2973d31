// What happens when nothing comes from PostgreSQL any more though the connection stands: the
// network loses it, or something in between has forgotten it (ARCHITECTURE §5, §6).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "mana_sync/base/limits.h"
#include "silence.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using sync::CommitOutcome;
using testing::Each;
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

  const std::string impatient_url_ = url + "?tcp_user_timeout=300";
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

}  // namespace
}  // namespace mana_sync::store
