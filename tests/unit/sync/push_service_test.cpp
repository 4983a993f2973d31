#include "push_service.h"

#include <gtest/gtest.h>

#include "engine_world.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class PushServiceTest : public ::testing::Test {
 protected:
  [[nodiscard]] size_t stored() { return world_.rows().size() - 1; }

  EngineWorld world_;
  ScriptedStore& store_ = world_.store;
};

TEST_F(PushServiceTest, APushIsAnsweredAfterItsCommit_NotBefore) {  // PROTOCOL 2.1
  const auto answer = world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  ASSERT_EQ(store_.loads.size(), 1u);
  EXPECT_TRUE(store_.commits.empty());
  store_.answer_load();
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  EXPECT_FALSE(answer->came);
  EXPECT_EQ(world_.engine.waiting_pushes(), 1u);
  store_.answer_commit(CommitOutcome::kCommitted);
  EXPECT_TRUE(answer->ok());
  EXPECT_TRUE(answer->records.empty());
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
  EXPECT_GE(answer->synced_until_us, world_.rows()[0].stamp_us);
}

TEST_F(PushServiceTest, ARefusedBodyIsAnsweredAtOnce_AndStoresNothing) {  // PROTOCOL 2.1, 2.10
  const auto answer = world_.push("a", {edit_of("r", "1"), R"({"table":"t","id":"r","op":"x"})"});
  EXPECT_EQ(answer->error, ErrorCode::kInvalid);
  EXPECT_EQ(answer->text, "changes[1].op: must be insert, update or delete");
  world_.settle();
  EXPECT_EQ(world_.rows().size(), 0u);
}

TEST_F(PushServiceTest, APushWithoutChangesOnlyReads) {
  world_.warm_up();
  const auto answer = world_.push("a", {});
  ASSERT_EQ(store_.reads.size(), 1u);
  store_.answer_read();
  EXPECT_EQ(answer->records, std::vector<std::string>{"warm"});
  EXPECT_TRUE(store_.commits.empty());
}

TEST_F(PushServiceTest, SeveralPushesOfAStreamMakeOneUnit) {  // ARCHITECTURE §4
  world_.warm_up();
  const auto a = world_.push("a", {edit_of("r", "1", -5), edit_of("q", "1", -5)});
  const auto b = world_.push("b", {edit_of("r", "2", -4)});
  const auto c = world_.push("c", {edit_of("r", "3", -9)});  // loses: nothing to store
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  EXPECT_EQ(store_.commits[0].unit->rows.size(), 3u);
  store_.answer_commit(CommitOutcome::kCommitted);
  world_.settle();
  // Each hears of the others, not of itself.
  EXPECT_EQ(a->records, (std::vector<std::string>{"warm", "r"}));
  EXPECT_EQ(b->records, (std::vector<std::string>{"warm", "r", "q"}));
  EXPECT_EQ(c->records, (std::vector<std::string>{"warm", "r", "q", "r"}));
}

TEST_F(PushServiceTest, AtMostOneCommitOfAStreamIsInFlight) {  // ARCHITECTURE §4
  world_.warm_up();
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  world_.push("a", {edit_of("q", "1")});
  world_.push("a", {edit_of("p", "1")});
  world_.engine.run();
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  EXPECT_EQ(world_.engine.waiting_pushes(), 3u);
  store_.answer_commit(CommitOutcome::kCommitted);
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  EXPECT_EQ(store_.commits[0].unit->rows.size(), 2u);
  world_.settle();
}

TEST_F(PushServiceTest, AnotherFloorOfTheLeaseMakesAnIdleStreamReadAgain) {  // ARCHITECTURE §5
  world_.warm_up();
  world_.engine.grant(kBeginMs * 1'000 + 5, kBeginMs * 2'000);
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  EXPECT_EQ(store_.commits.size(), 0u);
  EXPECT_EQ(store_.loads.size(), 1u);
  world_.settle();
}

TEST_F(PushServiceTest, AnotherFloorOfTheLeaseMakesABusyStreamReadAgainAfterItsCommit) {
  world_.warm_up();
  const auto first = world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  world_.push("a", {edit_of("q", "1")});
  world_.engine.grant(kBeginMs * 1'000 + 5, kBeginMs * 2'000);
  store_.answer_commit(CommitOutcome::kCommitted);
  world_.engine.run();
  EXPECT_EQ(store_.commits.size(), 0u);
  EXPECT_EQ(store_.loads.size(), 1u);
  world_.settle();
  EXPECT_TRUE(first->ok());
}

TEST_F(PushServiceTest, AnotherLeaseBetweenLookupAndMergeForgetsWhatWasAsked) {  // 2.2
  const std::vector<std::string> push = {edit_of("r", "1", -10)};
  world_.push_and_settle("a", push);
  world_.engine.grant(kBeginMs * 1'000 + 10, kBeginMs * 2'000);
  const auto again = world_.push("a", push);
  world_.engine.run();
  store_.answer_load();
  world_.engine.run();
  store_.answer_lookup();
  world_.engine.grant(kBeginMs * 1'000 + 20, kBeginMs * 2'000);
  world_.settle();
  EXPECT_TRUE(again->ok());
  EXPECT_EQ(world_.rows().size(), 1u);
}

TEST_F(PushServiceTest, OnlySoManyStreamsAreLoadedAtATime) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (size_t i = 0; i < limits::kLoadsAtOnceMax + 3; ++i) {
    world_.stream.user_id = std::to_string(i);
    answers.push_back(world_.push("a", {edit_of("r", "1")}));
    answers.push_back(world_.push("b", {edit_of("q", "1")}));
  }
  world_.engine.run();
  EXPECT_EQ(store_.loads.size(), limits::kLoadsAtOnceMax);
  EXPECT_EQ(world_.metric("mana_sync_stream_loads_waiting"), 3);
  store_.fail_load();  // makes room as well
  EXPECT_EQ(store_.loads.size(), limits::kLoadsAtOnceMax);
  world_.settle();
  size_t stored = 0;
  for (const auto& answer : answers) stored += answer->ok() ? 1 : 0;
  EXPECT_EQ(stored, answers.size() - 2);
  EXPECT_EQ(world_.metric("mana_sync_stream_loads_total"),
            static_cast<int64_t>(limits::kLoadsAtOnceMax + 3));
}

TEST_F(PushServiceTest, StreamsOfOneUserLeaveRoomForOthersToBeLoaded) {
  std::vector<std::shared_ptr<Answer>> answers;
  const auto push_to = [&](const char* user, size_t app) {
    world_.stream = {.user_id = user, .app_id = std::to_string(app)};
    answers.push_back(world_.push("a", {edit_of("r", "1")}));
  };
  constexpr size_t kMax = limits::kUserLoadsAtOnceMax;
  for (size_t app = 0; app < kMax + 3; ++app) push_to("greedy", app);
  world_.engine.run();
  EXPECT_EQ(store_.loads.size(), kMax);
  push_to("another", 0);
  world_.engine.run();
  EXPECT_EQ(store_.loads.size(), kMax + 1) << "it does not wait behind the other's";
  EXPECT_EQ(world_.metric("mana_sync_stream_loads_waiting"), 3);
  world_.settle();
  for (const auto& answer : answers) EXPECT_TRUE(answer->ok());
}

TEST_F(PushServiceTest, ARenewalOfTheLeaseForgetsNothing) {
  world_.warm_up();
  world_.engine.grant(kBeginMs * 1'000 - 1, kBeginMs * 3'000);
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  EXPECT_EQ(store_.loads.size(), 0u);
  world_.settle();
}

TEST_F(PushServiceTest, StreamsDoNotWaitForEachOther) {
  world_.warm_up();
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  world_.stream.app_id = "other";
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  store_.answer_load();
  world_.engine.run();
  EXPECT_EQ(store_.commits.size(), 2u);
  world_.settle();
}

TEST_F(PushServiceTest, OfARefusedUnitOnlyTheBadPushFails) {  // ARCHITECTURE §4
  world_.warm_up();
  const auto a = world_.push("a", {edit_of("r", "1", -5)});
  const auto bad = world_.push("b", {edit_of("q", "2", -5)});
  const auto c = world_.push("c", {edit_of("r", "3", -4)});
  world_.engine.run();
  store_.answer_commit(CommitOutcome::kRefused);
  EXPECT_EQ(world_.engine.waiting_pushes(), 3u);
  const auto late = world_.push("d", {edit_of("s", "4")});
  for (const auto& [push, outcome] :
       {std::pair(a, CommitOutcome::kCommitted), std::pair(bad, CommitOutcome::kRefused),
        std::pair(c, CommitOutcome::kCommitted), std::pair(late, CommitOutcome::kCommitted)}) {
    world_.engine.run();
    ASSERT_EQ(store_.commits.size(), 1u);
    EXPECT_EQ(store_.commits[0].unit->rows.size(), 1u);  // alone, in the order they came
    EXPECT_FALSE(push->came);
    store_.answer_commit(outcome, "what is wrong");
  }
  world_.settle();
  EXPECT_TRUE(a->ok() && c->ok() && late->ok());
  EXPECT_EQ(bad->error, ErrorCode::kInvalid);
  EXPECT_EQ(bad->text, "what is wrong");
  EXPECT_EQ(stored(), 3u);
}

TEST_F(PushServiceTest, AfterAFailedCommitTheNextPushIsJudgedByWhatIsStored) {  // ARCHITECTURE §4
  world_.warm_up();
  world_.push_and_settle("a", {edit_of("r", "1", -50)});
  const auto failed = world_.push("b", {edit_of("r", "2", -10)});
  world_.engine.run();
  store_.answer_commit(CommitOutcome::kFailed, "try again");
  EXPECT_EQ(failed->error, ErrorCode::kUnavailable);
  EXPECT_EQ(failed->text, "try again");
  // It would lose against what failed.
  EXPECT_TRUE(world_.push_and_settle("a", {edit_of("r", "3", -20)}).ok());
  EXPECT_EQ(world_.rows()[2].data, R"({"f":3})");
  // And the failed one can come again.
  EXPECT_TRUE(world_.push_and_settle("b", {edit_of("r", "2", -10)}).ok());
  EXPECT_EQ(world_.rows()[3].data, R"({"f":2})");
}

TEST_F(PushServiceTest, AfterACommitOfUnknownOutcomeTheStreamIsReadAgain) {  // ARCHITECTURE §6
  for (const bool was_stored : {false, true}) {
    SCOPED_TRACE(was_stored);
    EngineWorld world;
    world.push_and_settle("a", {edit_of("r", "0", -100)});
    const auto lost = world.push("a", {edit_of("r", "1")});
    const auto waiting_behind = world.push("b", {edit_of("q", "1")});
    world.engine.run();
    const auto next = world.push("c", {edit_of("p", "1")});
    if (was_stored) {
      world.store.commit_unknown_but_stored();
    } else {
      world.store.answer_commit(CommitOutcome::kUnknown);
    }
    EXPECT_EQ(lost->error, ErrorCode::kUnavailable);
    EXPECT_EQ(waiting_behind->error, ErrorCode::kUnavailable);
    EXPECT_FALSE(next->came);
    world.engine.run();
    EXPECT_EQ(world.store.loads.size(), 1u);
    world.settle();
    EXPECT_TRUE(next->ok());
    // The retry stores it exactly once.
    EXPECT_TRUE(world.push_and_settle("a", {edit_of("r", "1")}).ok());
    size_t times = 0;
    for (size_t i = 0; i < world.rows().size(); ++i)
      times += world.rows()[i].data == R"({"f":1})" && world.rows()[i].record == "r";
    EXPECT_EQ(times, 1u);
  }
}

TEST_F(PushServiceTest, AFailedLoadRefusesWhatWaits_AndTheNextPushLoadsAgain) {
  const auto a = world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  const auto b = world_.push("b", {edit_of("r", "2")});
  store_.fail_load();
  EXPECT_EQ(a->error, ErrorCode::kUnavailable);
  EXPECT_EQ(b->error, ErrorCode::kUnavailable);
  EXPECT_EQ(world_.engine.waiting_pushes(), 0u);
  EXPECT_TRUE(world_.push_and_settle("a", {edit_of("r", "1")}).ok());
  EXPECT_EQ(world_.rows().size(), 1u);
}

// --- Repeats -------------------------------------------------------------------------------------

TEST_F(PushServiceTest, ARetryInTheSameUnitStoresOnce) {  // PROTOCOL 2.2
  world_.warm_up();
  const auto first = world_.push("a", {edit_of("r", "1")});
  const auto retry = world_.push("a", {edit_of("r", "1")});
  world_.settle();
  EXPECT_TRUE(first->ok() && retry->ok());
  EXPECT_EQ(stored(), 1u);
}

TEST_F(PushServiceTest, ATimelessInsertRetriedInTheSameUnitStoresOnce) {  // PROTOCOL 2.2, 2.7
  world_.warm_up();
  const std::vector<std::string> insert = {insert_of("r", R"({"f":1})")};
  const auto first = world_.push("a", insert);
  const auto retry = world_.push("a", insert);
  const auto behind = world_.push("b", {edit_of("q", "1")});
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);  // first the commit, then the question
  EXPECT_TRUE(store_.questions.empty());
  store_.answer_commit(CommitOutcome::kCommitted);
  world_.engine.run();
  ASSERT_EQ(store_.questions.size(), 1u);
  ASSERT_EQ(store_.questions.front().query.records.size(), 1u);
  EXPECT_EQ(store_.questions.front().query.records.front().data, R"({"f":1})");
  EXPECT_FALSE(retry->came);
  world_.settle();
  EXPECT_TRUE(first->ok() && retry->ok() && behind->ok());
  EXPECT_EQ(stored(), 2u);
}

TEST_F(PushServiceTest, ARepeatOverAnEvictionStoresNothing) {  // PROTOCOL 2.2
  EngineWorld world(0);                                        // no stream stays in memory
  const std::vector<std::string> changes = {
      insert_of("r", R"({"id":"r","f":"","g":1})"),
      update_of("r", field_of("f", "\"x\"", time_at(-9))),
      insert_of("q", R"({"f":1,"createdAt":)" + time_at(-8) + "}"), delete_of("q", time_at(-7)),
      delete_of("p")};
  EXPECT_TRUE(world.push_and_settle("a", changes).ok());
  EXPECT_EQ(world.rows().size(), 5u);
  world.clock.advance_us(5'000'000);
  EXPECT_EQ(world.metric("mana_sync_cache_streams"), 0);
  EXPECT_TRUE(world.push_and_settle("a", changes).ok());
  EXPECT_EQ(world.rows().size(), 5u);
  EXPECT_EQ(world.metric("mana_sync_stream_loads_total"), 2);
  EXPECT_EQ(world.metric("mana_sync_lookups_total"), 1);
}

TEST_F(PushServiceTest, AFailedLookupRefusesItsPushAlone) {
  world_.warm_up();
  world_.push_and_settle("a", {insert_of("r", R"({"f":1})")});
  const auto retry = world_.push("a", {insert_of("r", R"({"f":1})")});
  const auto behind = world_.push("b", {edit_of("q", "1")});
  world_.engine.run();
  store_.fail_lookup();
  EXPECT_EQ(retry->error, ErrorCode::kUnavailable);
  world_.settle();
  EXPECT_TRUE(behind->ok());
}

TEST_F(PushServiceTest, APushBehindOneThatStoresNothingNeedsNoOtherTick) {
  world_.warm_up();
  world_.push_and_settle("a", {insert_of("r", R"({"f":1})"), edit_of("q", "1")});
  const auto nothing = world_.push("a", {edit_of("q", "1")});
  const auto asks = world_.push("a", {insert_of("r", R"({"f":1})")});
  world_.engine.run();
  EXPECT_TRUE(nothing->came || !store_.reads.empty());
  EXPECT_EQ(store_.questions.size(), 1u);
  world_.settle();
  EXPECT_TRUE(nothing->ok() && asks->ok());
}

// --- Whose changes -------------------------------------------------------------------------------

TEST_F(PushServiceTest, TheHeadersClientIdCounts) {  // PROTOCOL 2.3
  auto answer = std::make_shared<Answer>();
  world_.engine.push({.stream = world_.stream,
                      .client_id = "header",
                      .body = R"({"clientId":"body","changes":[)" + edit_of("r", "1") + "]}"},
                     EngineWorld::into(answer));
  world_.settle();
  EXPECT_EQ(world_.rows()[0].client_id, "header");
}

TEST_F(PushServiceTest, AClientIsSentOthersChangesOnly) {  // PROTOCOL 2.4
  world_.push_and_settle("a", {edit_of("a1", "1")});
  world_.push_and_settle("b", {edit_of("b1", "1")});
  EXPECT_EQ(world_.push_and_settle("a", {edit_of("a2", "1")}).records,
            std::vector<std::string>{"b1"});
}

TEST_F(PushServiceTest, WithoutAClientIdAllButThePushItselfIsSent) {  // PROTOCOL 2.3, 2.4
  world_.push_and_settle("", {edit_of("one", "1")});
  world_.push_and_settle("b", {edit_of("two", "1")});
  const Answer answer = world_.push_and_settle("", {edit_of("three", "1"), edit_of("four", "1")});
  EXPECT_EQ(answer.records, (std::vector<std::string>{"one", "two"}));
  const auto a = world_.push("", {edit_of("five", "1")});
  const auto b = world_.push("", {edit_of("six", "1")});
  world_.settle();
  EXPECT_EQ(b->records, (std::vector<std::string>{"one", "two", "three", "four", "five"}));
  EXPECT_EQ(a->records, (std::vector<std::string>{"one", "two", "three", "four", "six"}));
}

}  // namespace
}  // namespace mana_sync::sync
