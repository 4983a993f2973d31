// Whose reads wait for whose. (What a lost connection does to them: outage_pg_test.cpp.)
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "read_queue.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

const Statement kWaitsForALock{"", "SELECT pg_advisory_xact_lock(42)"};
const Statement kFast{"", "SELECT 1"};

class ReadQueueTest : public StoreTest {
 protected:
  ReadQueueTest() {
    process.wait_ready();
    process.log_text.clear();
    queue_.open();
    process.run_until([&] { return has_connected("read-1") && has_connected("read-2"); });
    blocker_.exec("SELECT pg_advisory_lock(42)");
  }

  bool has_connected(const std::string& connection) const {
    return process.log_text.find('"' + connection + '"') != std::string::npos;
  }

  void read(const char* user, const Statement& statement) {
    std::vector<Call> calls;
    calls.push_back({&statement, {}});
    queue_.read({.user_id = user, .app_id = "app"}, std::move(calls),
                [this, user](auto result) { told_ += result ? std::string(user) : "?"; });
  }
  void run_until_told(size_t count) {
    process.run_until([&] { return told_.size() == count; });
  }
  void free_lock() { blocker_.exec("SELECT pg_advisory_unlock(42)"); }

  StoreProcess process{url};
  ReadQueue queue_{*process.loop, url, 2, [] {}};
  test::Session blocker_{url};
  std::string told_;  // users, in order
};

TEST_F(ReadQueueTest, SlowReadsOfOneUserLeaveAConnectionToTheOthers) {
  for (int i = 0; i < 40; ++i) read("s", kWaitsForALock);
  read("a", kFast);
  read("b", kFast);
  run_until_told(2);
  EXPECT_EQ(told_, "ab");
  free_lock();
  run_until_told(42);
}

TEST_F(ReadQueueTest, WhatStandsBehindASlowReadIsToldAllTheSame_AndOnce) {
  read("s", kWaitsForALock);
  for (const char* user : {"a", "b", "c", "d"}) read(user, kFast);
  process.run_until([&] { return told_.size() >= 2; });
  process.pass_ms(limits::kSlowReadMs);
  run_until_told(4);
  EXPECT_EQ(told_.find_first_of("s?"), std::string::npos) << told_;
  free_lock();
  process.run_until([&] { return queue_.pending() == 0; });
  EXPECT_EQ(told_.size(), 5U);
}

TEST_F(ReadQueueTest, ASlowConnectionTakesNoMoreUntilItAnswers) {
  read("s", kWaitsForALock);
  process.pass_ms(limits::kSlowReadMs);
  for (int i = 0; i < 20; ++i) read("a", kFast);
  run_until_told(20);
  EXPECT_EQ(told_, std::string(20, 'a'));
  free_lock();
  run_until_told(21);
}

}  // namespace
}  // namespace mana_sync::store
