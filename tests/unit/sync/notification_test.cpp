// When the engine tells the hub of a push (PROTOCOL 6.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "engine_world.h"

namespace mana_sync::sync {
namespace {

using testing::edit_of;
using ::testing::ElementsAre;
using testing::EngineWorld;

class NotificationTest : public ::testing::Test {
 protected:
  struct Listener final : Subscriber {
    void on_notified() override {
      ++calls;
      if (then) then();
    }
    void on_gap() override { ++gaps; }
    int calls = 0;
    int gaps = 0;
    std::function<void()> then;
  };

  NotificationTest() {
    // The stream is in memory, and its cell is the writer's.
    world.push_and_settle("writer", {edit_of("first", "\"x\"", 1)});
    id = world.engine.hub().subscribe({"user", "app", "reader"}, listener);
  }
  // A push on its way to its commit.
  void start_push(std::string_view client, std::string_view record) {
    world.push(client, {edit_of(record, "\"v\"", 2)});
    world.engine.run();
  }
  int calls_after_drain() {
    world.engine.hub().drain();
    return listener.calls;
  }

  EngineWorld world;
  Listener listener;
  SubscriptionId id;
};

TEST_F(NotificationTest, ComesAfterTheCommit_AndAPullThenHasTheChange) {  // 6.2
  start_push("writer", "a");
  EXPECT_EQ(calls_after_drain(), 0);
  std::shared_ptr<testing::Answer> pulled;
  listener.then = [&] { pulled = world.pull(0, "reader"); };
  world.store.answer_commit(CommitOutcome::kCommitted);
  EXPECT_EQ(listener.calls, 0) << "a commit only gathers";
  EXPECT_EQ(calls_after_drain(), 1);
  world.settle();
  ASSERT_TRUE(pulled->ok());
  EXPECT_THAT(pulled->records, ElementsAre("first", "a"));
}

TEST_F(NotificationTest, AUnitOfSeveralPushesTellsOfEachOnce) {
  world.push("writer", {edit_of("a", "1", 2)});
  world.push("reader", {edit_of("b", "1", 2)});
  world.settle();
  EXPECT_EQ(calls_after_drain(), 1);
  EXPECT_EQ(world.engine.hub().take(id).size(), 1u);
}

TEST_F(NotificationTest, ItsOwnPushIsNotTold) {  // 6.1
  start_push("reader", "a");
  world.settle();
  EXPECT_EQ(calls_after_drain(), 0);
}

TEST_F(NotificationTest, ARepeatStoresNothingAndIsNotTold) {  // 2.2
  start_push("writer", "a");
  world.settle();
  EXPECT_EQ(calls_after_drain(), 1);
  EXPECT_EQ(world.engine.hub().take(id).size(), 1u);
  start_push("writer", "a");
  world.settle();
  EXPECT_EQ(calls_after_drain(), 1);
}

TEST_F(NotificationTest, WhatIsNotStoredIsNotTold) {
  for (const auto outcome : {CommitOutcome::kRefused, CommitOutcome::kFailed}) {
    start_push("writer", "a");
    world.store.answer_commit(outcome);
    world.settle();
    EXPECT_EQ(calls_after_drain(), 0);
  }
}

TEST_F(NotificationTest, AnUnknownOutcomeIsTold_SinceItsRepeatWillNotBe) {  // 6.2, 2.2
  start_push("writer", "a");
  world.store.commit_unknown_but_stored();
  world.settle();
  EXPECT_EQ(calls_after_drain(), 1);
  EXPECT_EQ(world.engine.hub().take(id).size(), 1u);
  start_push("writer", "a");
  world.settle();
  EXPECT_EQ(calls_after_drain(), 1);
}

TEST_F(NotificationTest, WhenAnotherProcessHasWritten_AllAreTold) {  // ARCHITECTURE §5
  const int64_t floor_us = world.clock.wall_us() + 10'000'000;
  world.engine.grant(floor_us, floor_us + 1'000'000);
  EXPECT_EQ(listener.gaps, 0);
  world.engine.hub().drain();
  EXPECT_EQ(listener.gaps, 1);
  // The same lease, renewed.
  world.engine.grant(floor_us, floor_us + 2'000'000);
  world.engine.hub().drain();
  EXPECT_EQ(listener.gaps, 1);
}

TEST_F(NotificationTest, WhatWasInFlightThenEnds_AndAllAreToldAgain) {
  // Until then whoever reads gets no further than what is in flight, and misses what stands behind.
  start_push("writer", "a");
  const int64_t floor_us = world.clock.wall_us() + 10'000'000;
  world.engine.grant(floor_us, floor_us + 1'000'000);
  world.engine.hub().drain();
  EXPECT_EQ(listener.gaps, 1);
  world.store.answer_commit(CommitOutcome::kFailed);
  world.settle();
  world.engine.hub().drain();
  EXPECT_EQ(listener.gaps, 2);
}

}  // namespace
}  // namespace mana_sync::sync
