#include "timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

namespace mana_sync::net {
namespace {

using ::testing::ElementsAre;

TEST(Timers, RunInTheOrderOfDueTimesThenOfTheirMaking) {
  Timers timers;
  std::vector<int> ran;
  timers.add(30, [&] { ran.push_back(3); });
  timers.add(10, [&] { ran.push_back(1); });
  timers.add(20, [&] { ran.push_back(2); });
  timers.add(10, [&] { ran.push_back(11); });
  EXPECT_EQ(timers.next_due_ns(), 10);
  timers.run_due(9);
  EXPECT_THAT(ran, ElementsAre());
  timers.run_due(20);
  EXPECT_THAT(ran, ElementsAre(1, 11, 2));
  timers.run_due(1000);
  EXPECT_THAT(ran, ElementsAre(1, 11, 2, 3));
  EXPECT_EQ(timers.next_due_ns(), std::nullopt);
}

TEST(Timers, CancelledOnesDoNotRun_StaleIdsDoNothing) {
  Timers timers;
  std::vector<int> ran;
  const TimerId first = timers.add(1, [&] { ran.push_back(1); });
  timers.cancel(first);
  timers.add(2, [&] { ran.push_back(2); });  // takes the slot of the first
  timers.cancel(first);
  timers.cancel(TimerId{});
  timers.run_due(5);
  EXPECT_THAT(ran, ElementsAre(2));
}

TEST(Timers, OneThatRunsMayCancelAnotherOfTheSameMoment) {
  Timers timers;
  std::vector<int> ran;
  TimerId second;
  timers.add(1, [&] {
    ran.push_back(1);
    timers.cancel(second);
  });
  second = timers.add(1, [&] { ran.push_back(2); });
  timers.run_due(1);
  EXPECT_THAT(ran, ElementsAre(1));
}

TEST(Timers, OneMadeByATimerWaitsForTheNextRun) {
  Timers timers;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    timers.add(0, [&] { again(); });
  };
  timers.add(0, [&] { again(); });
  timers.run_due(1);
  EXPECT_EQ(runs, 1);
  timers.run_due(1);
  EXPECT_EQ(runs, 2);
}

TEST(Timers, WhatACallbackHoldsMayCancelTimersAsItDies) {
  struct Holder {
    Timers* timers;
    TimerId other;
    ~Holder() { timers->cancel(other); }
  };
  Timers timers;
  const TimerId other = timers.add(5, [] {});
  const TimerId outer =
      timers.add(3, [holder = std::make_unique<Holder>(&timers, other)] { (void)holder; });
  timers.cancel(outer);
  EXPECT_EQ(timers.next_due_ns(), std::nullopt);
  timers.add(7,
             [holder = std::make_unique<Holder>(&timers, timers.add(9, [] {}))] { (void)holder; });
}

TEST(Timers, ManyRandomStartsAndCancelsKeepTheOrder) {
  Timers timers;
  std::mt19937 random(20240101);
  std::vector<int64_t> expected;
  std::vector<int64_t> ran;
  std::vector<std::pair<TimerId, int64_t>> live;
  for (int i = 0; i < 5000; ++i) {
    const int64_t due_ns = random() % 1000;
    live.emplace_back(timers.add(due_ns, [&ran, due_ns] { ran.push_back(due_ns); }), due_ns);
    if (i % 3 == 0) {
      const size_t victim = random() % live.size();
      timers.cancel(live[victim].first);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(victim));
    }
  }
  for (const auto& [id, due_ns] : live) expected.push_back(due_ns);
  std::sort(expected.begin(), expected.end());
  timers.run_due(2000);
  EXPECT_EQ(ran, expected);
}

}  // namespace
}  // namespace mana_sync::net
