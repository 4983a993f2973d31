// What waits is bounded: in number, in bytes, in time (ARCHITECTURE §6).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine_world.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class PushBoundsTest : public ::testing::Test {
 protected:
  EngineWorld world_;
  ScriptedStore& store_ = world_.store;
};

TEST_F(PushBoundsTest, AStreamsQueueIsBounded) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (size_t i = 0; i < limits::kStreamQueuePushesMax; ++i) {
    answers.push_back(world_.push("a", {edit_of("r", "1")}));
    EXPECT_FALSE(answers.back()->came);
  }
  const auto refused = world_.push("a", {edit_of("r", "1")});
  EXPECT_EQ(refused->error, ErrorCode::kUnavailable);
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"stream\"}"), 1);
  world_.settle();
  for (const auto& answer : answers) EXPECT_TRUE(answer->ok());
  EXPECT_TRUE(world_.push_and_settle("a", {edit_of("r", "2")}).ok());
}

TEST_F(PushBoundsTest, WaitingPushesAreBounded_AndARefusedOneLeavesNoStreamBehind) {
  for (size_t i = 0; i < limits::kWaitingPushesMax; ++i) {
    world_.stream.app_id = std::to_string(i / limits::kStreamQueuePushesMax);
    EXPECT_FALSE(world_.push("a", {edit_of("r", "1")})->came);
  }
  world_.engine.run();  // under way still counts
  const int64_t streams = world_.metric("mana_sync_cache_streams");
  for (int i = 0; i < 10; ++i) {
    world_.stream.app_id = "new" + std::to_string(i);
    EXPECT_EQ(world_.push("a", {edit_of("r", "1")})->error, ErrorCode::kUnavailable);
  }
  EXPECT_EQ(world_.metric("mana_sync_cache_streams"), streams);
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"all\"}"), 10);
  world_.settle();
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
}

TEST_F(PushBoundsTest, TheBytesOfWaitingPushesAreBounded) {
  const std::string value = "\"" + std::string(8 * limits::kMiB, 'x') + "\"";
  size_t taken = 0;
  std::shared_ptr<Answer> last;
  do {
    last = world_.push("a", {edit_of("r", value)});
    taken += last->came ? 0 : 1;
  } while (!last->came && taken < 100);
  EXPECT_EQ(last->error, ErrorCode::kUnavailable);
  EXPECT_EQ(taken, limits::kWaitingPushBytesMax / (16 * limits::kMiB) - 1);
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"bytes\"}"), 1);
  world_.settle();
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
}

TEST_F(PushBoundsTest, WhatPushesAreToldCountsAmongTheBytesOfThoseThatWait) {  // PROTOCOL 5.6
  const std::string value = "\"" + std::string(8 * limits::kMiB, 'x') + "\"";
  std::vector<std::string> losing;
  for (int i = 0; i < 4; ++i) {
    const std::string record = "r" + std::to_string(i);
    world_.push_and_settle("a", {edit_of(record, value, -1)});
    losing.push_back(edit_of(record, "1", -2));
  }
  constexpr size_t kFitting = limits::kWaitingPushBytesMax / (32 * limits::kMiB) - 1;
  constexpr size_t kBeyond = 3;
  std::vector<std::shared_ptr<Answer>> answers;
  for (size_t i = 0; i < kFitting + kBeyond; ++i) {
    answers.push_back(world_.push("b" + std::to_string(i), losing));
  }
  world_.engine.run();
  while (!store_.questions.empty()) store_.answer_lookup();
  EXPECT_EQ(store_.reads.size(), kFitting) << "what is sent with it must be read";
  for (size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i]->came, i >= kFitting);
  EXPECT_EQ(answers.back()->error, ErrorCode::kUnavailable);
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"bytes\"}"), kBeyond);
  while (!store_.reads.empty()) store_.fail_read();
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
  EXPECT_TRUE(world_.push_and_settle("b9", losing).ok()) << "a single one always fits";
}

TEST_F(PushBoundsTest, TheNamesOfTheirCellsCountAmongTheBytesOfWaitingPushes) {
  std::string fields = field_of("f", "1");
  for (int i = 0; i < 60'000; ++i) fields += fmt::format(R"(,"f{}":{{}})", i);
  const std::string change = update_of(std::string(1'000, 'r'), fields);
  size_t taken = 0;
  while (taken < 100 && !world_.push("a", {change})->came) ++taken;
  EXPECT_LE(taken, limits::kWaitingPushBytesMax / (2 * 60'000 * 1'000));
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"bytes\"}"), 1);
  world_.settle();
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
}

TEST_F(PushBoundsTest, OfLargePushesATickMergesOne_AndTheOthersFollow) {
  const auto push_to = [this](const std::string& app) {
    world_.stream.app_id = app;
    std::string fields = field_of("f", "1");
    for (ptrdiff_t i = 0; i < limits::kMergedEditsPerTickMax; ++i) {
      fields += fmt::format(R"(,"f{}":{{}})", i);
    }
    return world_.push("a", {update_of("r", fields)});
  };
  for (const std::string app : {"one", "two"}) {
    world_.stream.app_id = app;
    world_.push_and_settle("warm", {edit_of("warm", "0", -100'000)});
  }
  const auto first = push_to("one");
  const auto behind = push_to("one");
  const auto second = push_to("two");
  world_.engine.run();
  EXPECT_EQ(store_.commits.size(), 1u);
  EXPECT_TRUE(world_.engine.is_due());
  world_.engine.run();
  EXPECT_EQ(store_.commits.size(), 2u);
  EXPECT_FALSE(world_.engine.is_due());
  world_.settle();
  EXPECT_TRUE(first->ok() && behind->ok() && second->ok());
}

TEST_F(PushBoundsTest, LargePushesDoNotShareAUnit) {  // ARCHITECTURE §6
  world_.warm_up();
  const std::string value = "\"" + std::string(5 * limits::kMiB, 'x') + "\"";
  world_.push("a", {edit_of("r", value, -3)});
  world_.push("a", {edit_of("r", "1", -2)});
  world_.push("a", {edit_of("r", value, -1)});
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  EXPECT_EQ(store_.commits[0].unit->rows.size(), 2u);
  world_.settle();
  EXPECT_EQ(world_.rows().size(), 4u);
}

TEST_F(PushBoundsTest, APushThatWaitedTooLongIsRefused) {  // PROTOCOL 9.5
  world_.warm_up();
  const auto in_flight = world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  const auto waiting = world_.push("a", {edit_of("q", "1")});
  world_.clock.advance_us(limits::kRequestDeadlineMs * 1000);
  const auto fresh = world_.push("a", {edit_of("p", "1")});
  store_.answer_commit(CommitOutcome::kCommitted);
  world_.settle();
  EXPECT_TRUE(in_flight->ok());
  EXPECT_EQ(waiting->error, ErrorCode::kUnavailable);
  EXPECT_EQ(world_.metric("mana_sync_pushes_refused_total{bound=\"time\"}"), 1);
  EXPECT_TRUE(fresh->ok());
  EXPECT_EQ(world_.rows().size(), 3u);
}

TEST_F(PushBoundsTest, WithoutALeasePushesAreRefused) {  // ARCHITECTURE §5
  EngineWorld world;
  world.push_and_settle("a", {edit_of("r", "1")});
  world.clock.set_wall_us(kBeginMs * 2'000);
  const auto refused = world.push_and_settle("a", {edit_of("r", "2", 0), edit_of("q", "2", 0)});
  EXPECT_EQ(refused.error, ErrorCode::kUnavailable);
  EXPECT_EQ(world.metric("mana_sync_pushes_refused_total{bound=\"lease\"}"), 1);
  EXPECT_EQ(world.rows().size(), 1u);
  world.engine.grant(0, kBeginMs * 3'000);
  EXPECT_TRUE(world.push_and_settle("a", {edit_of("r", "2", 0)}).ok());
}

}  // namespace
}  // namespace mana_sync::sync
