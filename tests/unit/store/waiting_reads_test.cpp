#include "waiting_reads.h"

#include <gtest/gtest.h>

#include <string>

namespace mana_sync::store {
namespace {

class WaitingReadsTest : public testing::Test {
 protected:
  static WaitingReads::Pointer read(const char* user, const char* app) {
    return std::make_shared<Read>(
        sync::StreamName{.user_id = user, .app_id = app}, std::vector<Call>(), [](auto) {}, 0);
  }
  void wait(const char* user, const char* app) { waiting_.push_back(read(user, app)); }
  // The apps of all that are taken, in order.
  std::string take_all(const std::string& blocked_user = "", const std::string& held_app = "") {
    std::string apps;
    for (;;) {
      const auto taken =
          waiting_.take([&](const SharedText& user) { return user.str() != blocked_user; },
                        [&](const Read& one) { return one.stream.app_id != held_app; });
      if (taken == nullptr) return apps;
      apps += taken->stream.app_id;
    }
  }

  WaitingReads waiting_;
};

TEST_F(WaitingReadsTest, UsersTakeTurns) {
  for (const char* app : {"1", "2", "3"}) wait("greedy", app);
  wait("a", "4");
  wait("b", "5");
  EXPECT_EQ(waiting_.size(), 5U);
  EXPECT_EQ(waiting_.size_of("greedy"), 3U);
  EXPECT_EQ(take_all(), "14523");
  EXPECT_EQ(waiting_.size(), 0U);
}

TEST_F(WaitingReadsTest, WhatComesBackIsNextOfAll) {
  wait("a", "1");
  wait("b", "2");
  wait("b", "3");
  waiting_.push_front(read("b", "0"));
  EXPECT_EQ(take_all(), "0123");
}

TEST_F(WaitingReadsTest, WhoMayNotIsPassedBy) {
  wait("a", "1");
  wait("a", "2");
  wait("b", "3");
  EXPECT_EQ(take_all("a"), "3");
  EXPECT_EQ(take_all("", "1"), "2");
  EXPECT_EQ(take_all(), "1");
}

TEST_F(WaitingReadsTest, WhatWasToldIsNotTaken) {
  const auto told = read("a", "1");
  waiting_.push_back(told);
  wait("a", "2");
  const auto alone = read("b", "3");
  waiting_.push_back(alone);
  told->done = nullptr;
  alone->done = nullptr;
  EXPECT_EQ(take_all(), "2");
  waiting_.drop_told();
  EXPECT_EQ(waiting_.size(), 0U);
  EXPECT_EQ(waiting_.size_of("b"), 0U);
}

}  // namespace
}  // namespace mana_sync::store
