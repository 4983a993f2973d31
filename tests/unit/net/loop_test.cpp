#include "mana_sync/net/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "net_fixture.h"

namespace mana_sync::net {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using LoopTest = NetTest;

TEST_F(LoopTest, LogsOnceWhatTheKernelOffers) {
  EXPECT_THAT(log_text_, HasSubstr("\"event\":\"io_uring\""));
  EXPECT_THAT(log_text_, HasSubstr("\"defer_taskrun\":"));
}

TEST_F(LoopTest, RunsUntilStopped) {
  loop_->after(milliseconds(0), [this] { loop_->stop(); });
  loop_->run();
  loop_->stop();
  loop_->run();  // returns at once
  EXPECT_FALSE(has_metric("mana_sync_loop_tick_seconds_count 0"));
}

TEST_F(LoopTest, TimersFireNoEarlierThanTheirDelay) {
  const int64_t begin_ns = system_clock_.steady_ns();
  bool is_fired = false;
  loop_->after(milliseconds(20), [&] { is_fired = true; });
  loop_->after(milliseconds::max(), [] { FAIL(); });
  loop_->run_until([&] { return is_fired; });
  EXPECT_GE(system_clock_.steady_ns() - begin_ns, 20'000'000);
}

TEST_F(LoopTest, ACancelledTimerDoesNotFire) {
  bool is_done = false;
  const TimerId doomed = loop_->after(milliseconds(1), [] { FAIL(); });
  loop_->after(milliseconds(5), [&] { is_done = true; });
  loop_->cancel(doomed);
  loop_->run_until([&] { return is_done; });
}

TEST_F(LoopTest, PostedFunctionsRunInALaterTickInOrder) {
  std::vector<int> ran;
  loop_->post([&] {
    ran.push_back(1);
    loop_->post([&] {
      ran.push_back(3);
      loop_->stop();
    });
  });
  loop_->post([&] { ran.push_back(2); });
  EXPECT_THAT(ran, ElementsAre());
  loop_->run();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST_F(LoopTest, PostsOfOtherThreadsWakeASleepingLoop) {
  constexpr int kPostsPerThread = 2000;
  constexpr int kThreads = 3;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kPostsPerThread; ++n) {
        loop_->post([&] {
          if (++count == kThreads * kPostsPerThread) loop_->stop();
        });
      }
    });
  }
  loop_->run();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, kThreads * kPostsPerThread);
}

TEST_F(LoopTest, TheEndOfATickKeepsItsOrder) {
  std::vector<TickPhase> ran;
  for (const TickPhase phase : {TickPhase::kReclaim, TickPhase::kSocketFlush, TickPhase::kHubDrain,
                                TickPhase::kReceiveRearm, TickPhase::kGroupCommit}) {
    loop_->at_tick_end(phase, [&ran, phase] { ran.push_back(phase); });
  }
  loop_->run_until([] { return true; });
  EXPECT_THAT(ran,
              ElementsAre(TickPhase::kHubDrain, TickPhase::kGroupCommit, TickPhase::kSocketFlush,
                          TickPhase::kReceiveRearm, TickPhase::kReclaim));
}

TEST_F(LoopTest, OutputOfTheTickEndLeavesInTheSameTick) {
  Recorder recorder;
  Peer peer = connect(recorder);
  int ticks = 0;
  loop_->at_tick_end(TickPhase::kHubDrain, [&] {
    if (++ticks == 1) recorder.socket->send("from the hub");
  });
  loop_->run_until([] { return true; });
  peer.read();
  EXPECT_EQ(ticks, 1);
  EXPECT_EQ(peer.received, "from the hub");
}

TEST_F(LoopTest, WhatPendingCallbacksHoldIsReleasedWithTheLoop) {
  const auto held = std::make_shared<int>(1);
  loop_->after(milliseconds(1), [held] {});
  loop_->post([held] {});
  loop_->at_tick_end(TickPhase::kHubDrain, [held] {});
  loop_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

class ManualClockLoopTest : public NetTest {
 protected:
  ManualClockLoopTest() : NetTest(Time::kManual) {}
};

TEST_F(ManualClockLoopTest, TimersFireByTheClocksWord) {
  std::vector<int> fired;
  loop_->after(milliseconds(60'000), [&] { fired.push_back(60); });
  loop_->after(milliseconds(10'000), [&] { fired.push_back(10); });
  int ticks = 0;
  loop_->run_until([&] { return ++ticks == 5; });
  EXPECT_THAT(fired, ElementsAre());
  manual_clock_.advance_us(9'999'999);
  loop_->run_until([] { return true; });
  EXPECT_THAT(fired, ElementsAre());
  manual_clock_.advance_us(1);
  loop_->run_until([] { return true; });
  EXPECT_THAT(fired, ElementsAre(10));
  EXPECT_EQ(loop_->now_ns(), manual_clock_.steady_ns());
  manual_clock_.advance_us(50'000'000);
  loop_->run_until([] { return true; });
  EXPECT_THAT(fired, ElementsAre(10, 60));
}

}  // namespace
}  // namespace mana_sync::net
