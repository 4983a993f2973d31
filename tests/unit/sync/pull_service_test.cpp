#include "pull_service.h"

#include <gtest/gtest.h>

#include <random>

#include "engine_world.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class PullServiceTest : public ::testing::Test {
 protected:
  int64_t from_memory() { return world_.metric("mana_sync_answers_total{from=\"memory\"}"); }
  int64_t from_store() { return world_.metric("mana_sync_answers_total{from=\"store\"}"); }

  EngineWorld world_;
  ScriptedStore& store_ = world_.store;
};

TEST_F(PullServiceTest, AnswersExactlyAsTheContractSays) {  // PROTOCOL 2, 3.1, 10.2
  world_.add_row("r", kBeginMs * 1000 - 1, R"({"f": 1})");
  const auto answer = world_.pull_and_settle();
  EXPECT_EQ(answer.text, R"({"serverChanges":[{"eventId":"00000000-0000-0000-0000-000000000000",)"
                         R"("schemaVersion":1,"table":"t","id":"r","op":"insert","data":{"f":1}}],)"
                         R"("conflicts":[],"syncedUntil":"2024-01-01T12:00:00.000000Z"})");
}

TEST_F(PullServiceTest, SendsWhatIsAfterTheCursor_FromOthers_OldestFirst) {  // PROTOCOL 3.1
  const Answer a = world_.push_and_settle("a", {edit_of("a1", "1")});
  world_.push_and_settle("b", {edit_of("b1", "1")});
  world_.push_and_settle("c", {edit_of("c1", "1")});
  EXPECT_EQ(world_.pull_and_settle().records, (std::vector<std::string>{"a1", "b1", "c1"}));
  EXPECT_EQ(world_.pull_and_settle(0, "b").records, (std::vector<std::string>{"a1", "c1"}));
  EXPECT_EQ(world_.pull_and_settle(a.synced_until_us, "b").records, std::vector<std::string>{"c1"});
  const Answer all = world_.pull_and_settle();
  EXPECT_TRUE(world_.pull_and_settle(all.synced_until_us).records.empty());
  EXPECT_EQ(world_.pull_and_settle(0, std::nullopt, 1'000, {"nothing"}).records.size(), 0u);
}

TEST_F(PullServiceTest, NothingNewIsAnsweredFromMemory_AndMovesTheCursor) {  // PROTOCOL 10.3
  const Answer pushed = world_.push_and_settle("a", {edit_of("r", "1")});
  const int64_t reads = from_store();
  const int64_t answers = from_memory();
  const auto first = world_.pull(pushed.synced_until_us);
  const auto second = world_.pull(first->synced_until_us, "b");
  const auto own = world_.pull(0, "a");
  EXPECT_TRUE(first->ok() && second->ok() && own->ok());
  EXPECT_GT(first->synced_until_us, pushed.synced_until_us);
  EXPECT_GT(second->synced_until_us, first->synced_until_us);
  EXPECT_EQ(from_store(), reads);
  EXPECT_EQ(from_memory(), answers + 3);
}

TEST_F(PullServiceTest, ChangesSinceTheTailsStartComeFromMemory) {  // ARCHITECTURE §4
  const int64_t begin_us = world_.pull()->synced_until_us;  // from here on they are remembered
  world_.settle();
  world_.push_and_settle("a", {edit_of("1", "1"), edit_of("2", "1")});
  world_.push_and_settle("b", {edit_of("3", "1")});
  const int64_t reads = from_store();
  const int64_t start_us = world_.rows()[0].stamp_us - 1;
  EXPECT_GE(start_us, begin_us);
  const auto all = world_.pull(start_us);
  const auto page = world_.pull(start_us, {}, 2);
  const auto own = world_.pull(start_us, "a");
  const auto table = world_.pull(start_us, {}, 10, {"other"});
  EXPECT_EQ(all->records, (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_FALSE(all->has_more);
  EXPECT_EQ(page->records, (std::vector<std::string>{"1", "2"}));
  EXPECT_TRUE(page->has_more);
  EXPECT_EQ(page->synced_until_us, world_.rows()[1].stamp_us);
  EXPECT_EQ(world_.pull(page->synced_until_us)->records, std::vector<std::string>{"3"});
  EXPECT_EQ(own->records, std::vector<std::string>{"3"});
  EXPECT_TRUE(table->ok() && table->records.empty());
  EXPECT_EQ(from_store(), reads);
  EXPECT_EQ(world_.metric("mana_sync_stream_loads_total"), 1);
}

TEST_F(PullServiceTest, WhatMemorySaysOfAChangeIsWhatTheStoreSays) {  // PROTOCOL 4
  world_.push_and_settle("a", {insert_of("r", R"({"id":"r","f":[1, {"k":"\u00e9\n"}]})"),
                               edit_of("r", R"({"x":1.50})"), delete_of("r", time_at(-1))});
  const Answer from_memory = world_.pull_and_settle(world_.rows()[0].stamp_us - 1);
  ASSERT_EQ(from_memory.records.size(), 3u);
  world_.engine.grant(kBeginMs * 1'100, kBeginMs * 2'000);  // all is forgotten
  const int64_t reads = from_store();
  EXPECT_EQ(world_.pull_and_settle(world_.rows()[0].stamp_us - 1).changes, from_memory.changes);
  EXPECT_EQ(from_store(), reads + 1);
}

TEST_F(PullServiceTest, WhileTheLeaseMayBeAnothers_ALaterCursorIsRefused) {  // PROTOCOL 10.1
  const Answer first = world_.pull_and_settle();
  world_.engine.suspend();
  EXPECT_TRUE(world_.pull_and_settle(first.synced_until_us).ok())
      << "what memory can answer goes on";
  const int64_t later_us = world_.engine.last_stamp_us() + 1;
  EXPECT_EQ(world_.pull_and_settle(later_us).error, ErrorCode::kUnavailable);
  world_.engine.grant(kBeginMs * 1'000 - 1, kBeginMs * 2'000);
  EXPECT_TRUE(world_.pull_and_settle(later_us).ok());
}

TEST_F(PullServiceTest, APollOfAColdStreamIsReadOnce_AndThenAnsweredFromMemory) {
  const Answer first = world_.pull_and_settle(0, "a");
  const int64_t reads = from_store();
  EXPECT_TRUE(world_.pull_and_settle(first.synced_until_us, "a").ok());
  EXPECT_TRUE(world_.pull_and_settle(first.synced_until_us).ok());
  EXPECT_EQ(from_store(), reads);
  EXPECT_EQ(world_.metric("mana_sync_stream_loads_total"), 0);
  EXPECT_TRUE(world_.pull_and_settle(first.synced_until_us - 1).ok());  // before the tail
  EXPECT_EQ(from_store(), reads + 1);
}

TEST_F(PullServiceTest, AfterAnUnknownOutcomeTheTailBeginsAnew) {  // ARCHITECTURE §6
  const Answer first = world_.push_and_settle("a", {edit_of("r", "1")});
  world_.push("a", {edit_of("lost", "1")});
  world_.engine.run();
  store_.commit_unknown_but_stored();
  EXPECT_EQ(world_.pull_and_settle(first.synced_until_us, "b").records,
            std::vector<std::string>{"lost"});
}

TEST_F(PullServiceTest, WithACacheOfNothingAllIsRead) {
  EngineWorld world(0);
  const Answer first = world.push_and_settle("a", {edit_of("r", "1")});
  const auto second = world.pull(first.synced_until_us - 1, "b");
  world.settle();
  EXPECT_TRUE(second->ok());
  world.push_and_settle("b", {edit_of("q", "1")}, first.synced_until_us);
  EXPECT_EQ(world.metric("mana_sync_stream_loads_total"), 2);
  EXPECT_EQ(world.metric("mana_sync_answers_total{from=\"store\"}"), 1);
  EXPECT_EQ(world.metric("mana_sync_cache_streams"), 0);
}

TEST_F(PullServiceTest, APageWithMoreBehindItMovesTheCursorThoughItHoldsNothing) {  // PROTOCOL 3.2
  const auto answer = world_.pull(1'000, "a");
  store_.reads.at(0).done(Page{.rows = {}, .has_more = true, .scanned_up_to_us = 2'000});
  store_.reads.pop_front();
  EXPECT_TRUE(answer->has_more);
  EXPECT_EQ(answer->synced_until_us, 2'000);
}

TEST_F(PullServiceTest, AStreamThatIsNotInMemoryIsRead) {
  const auto answer = world_.pull();
  EXPECT_FALSE(answer->came);
  ASSERT_EQ(store_.reads.size(), 1u);
  store_.fail_read();
  EXPECT_EQ(answer->error, ErrorCode::kUnavailable);
}

TEST_F(PullServiceTest, ACursorOfTheFutureCountsAsNow) {  // PROTOCOL 2.5
  world_.push_and_settle("a", {edit_of("r", "1")});
  const auto answer = world_.pull_and_settle(kBeginMs * 1'500);
  EXPECT_TRUE(answer.records.empty());
  EXPECT_LT(answer.synced_until_us, kBeginMs * 1'001);
  world_.push_and_settle("a", {edit_of("q", "1")});
  EXPECT_EQ(world_.pull_and_settle(answer.synced_until_us).records, std::vector<std::string>{"q"});
}

TEST_F(PullServiceTest, BeforeTheFirstLeaseNothingIsAnswered) {  // PROTOCOL 10.1
  ManualClock clock(kBeginMs * 1000);
  Metrics metrics;
  ScriptedStore store;
  Engine engine({.cache_bytes_max = 1, .merge = {}}, clock, store, metrics);
  auto answer = std::make_shared<Answer>();
  engine.pull({.stream = world_.stream,
               .tables = {},
               .since_us = 5,
               .exclude_client = {},
               .changes_max = 9},
              EngineWorld::into(answer));
  EXPECT_EQ(answer->error, ErrorCode::kUnavailable);
}

// --- Cursors and commits in flight ---------------------------------------------------------------

TEST_F(PullServiceTest, ACursorStaysBelowWhatIsInFlight) {  // PROTOCOL 10.1, ARCHITECTURE §5
  world_.push_and_settle("a", {edit_of("warm", "1")});
  world_.push("a", {edit_of("r", "1"), edit_of("q", "1")});
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  const int64_t first_us = store_.commits[0].unit->rows[0].stamp_us;
  world_.clock.advance_us(1'000'000);
  const auto from_memory = world_.pull(first_us - 2, "b");
  EXPECT_EQ(from_memory->synced_until_us, first_us - 1);
  const auto from_store = world_.pull(0, "b");
  ASSERT_EQ(store_.reads.size(), 1u);
  EXPECT_EQ(store_.reads[0].query.up_to_us, first_us - 1);
  store_.answer_commit(CommitOutcome::kCommitted);  // before the page is read
  world_.settle();
  EXPECT_EQ(from_store->records, std::vector<std::string>{"warm"});
  EXPECT_EQ(from_store->synced_until_us, first_us - 1);
  EXPECT_EQ(world_.pull_and_settle(from_store->synced_until_us, "b").records,
            (std::vector<std::string>{"r", "q"}));
}

TEST_F(PullServiceTest, AnAnswerThatCouldNotMoveTheCursorWaitsForTheUnitInFlight) {  // 10.3
  world_.push_and_settle("a", {edit_of("warm", "1")});
  for (const CommitOutcome outcome : {CommitOutcome::kCommitted, CommitOutcome::kFailed}) {
    world_.push("a", {edit_of("r", outcome == CommitOutcome::kCommitted ? "1" : "2")});
    world_.engine.run();
    ASSERT_EQ(store_.commits.size(), 1u);
    const int64_t first_us = store_.commits[0].unit->rows[0].stamp_us;
    const auto waiting = world_.pull(first_us - 1, "b");
    EXPECT_FALSE(waiting->came);
    store_.answer_commit(outcome);
    world_.settle();
    ASSERT_TRUE(waiting->ok());
    EXPECT_GT(waiting->synced_until_us, first_us - 1);
    EXPECT_EQ(waiting->records.size(), outcome == CommitOutcome::kCommitted ? 1u : 0u);
  }
}

TEST_F(PullServiceTest, OtherStreamsCommitsDoNotHoldACursorBack) {
  world_.push_and_settle("a", {edit_of("warm", "1")});
  world_.push("a", {edit_of("r", "1")});
  world_.engine.run();
  world_.stream.user_id = "other";
  world_.clock.advance_us(1'000'000);
  EXPECT_GE(world_.pull_and_settle().synced_until_us, kBeginMs * 1000 + 1'000'000);
}

// An answer may set off the next request of its connection at once.
TEST_F(PullServiceTest, APullFromWithinAnAnswerDoesNotPassTheUnitThatIsBeingMade) {  // 10.1
  world_.push_and_settle("a", {edit_of("warm", "1")});
  world_.clock.set_wall_us(kBeginMs * 2'000 - 3);  // three stamps before the lease ends
  world_.push("a", {edit_of("r", "1")});
  auto pulled = std::make_shared<Answer>();
  std::string changes = edit_of("q", "1");
  for (int i = 1; i < 9; ++i) changes.append(",").append(edit_of("q", "1"));
  world_.engine.push(
      {.stream = world_.stream, .client_id = "b", .body = R"({"changes":[)" + changes + "]}"},
      [&](Result<GatheredText> result) {
        EXPECT_FALSE(result);  // its stamps would pass the lease
        world_.engine.pull({.stream = world_.stream,
                            .tables = {},
                            .since_us = world_.rows()[0].stamp_us,
                            .exclude_client = "b",
                            .changes_max = 10},
                           EngineWorld::into(pulled));
      });
  world_.engine.run();
  ASSERT_EQ(store_.commits.size(), 1u);
  ASSERT_TRUE(pulled->ok());
  EXPECT_EQ(pulled->synced_until_us, store_.commits[0].unit->rows[0].stamp_us - 1);
  world_.settle();
}

TEST_F(PullServiceTest, AFollowerMissesNothingAndGetsNothingTwice) {  // PROTOCOL 10.1
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const auto one_in = [&](size_t n) { return random() % n == 0; };
  int64_t since_us = 0;
  std::shared_ptr<Answer> pulling;
  std::vector<std::string> got;
  std::vector<std::pair<std::string, std::shared_ptr<Answer>>> pushes;
  const auto take = [&] {
    if (pulling == nullptr || !pulling->came) return;
    ASSERT_TRUE(pulling->ok());
    EXPECT_GE(pulling->synced_until_us, since_us);
    since_us = pulling->synced_until_us;
    got.insert(got.end(), pulling->records.begin(), pulling->records.end());
    pulling = nullptr;
  };
  for (int i = 0; i < 4'000; ++i) {
    if (one_in(3)) {
      const std::string record = std::to_string(i);
      pushes.emplace_back(record, world_.push(one_in(2) ? "a" : "b", {edit_of(record, "1")}));
    }
    if (pulling == nullptr && one_in(2)) pulling = world_.pull(since_us, "me", 1 + random() % 5);
    if (one_in(2)) world_.engine.run();
    if (one_in(3)) world_.clock.advance_us(static_cast<int64_t>(random() % 5'000));
    if (one_in(20)) world_.clock.set_wall_us(world_.clock.wall_us() - 3'000);
    if (!store_.commits.empty() && one_in(3)) {
      store_.answer_commit(one_in(10) ? CommitOutcome::kFailed : CommitOutcome::kCommitted);
    } else if (!store_.loads.empty()) {
      store_.answer_load();
    } else if (!store_.reads.empty() && one_in(2)) {
      store_.answer_read();
    }
    take();
  }
  world_.settle();
  take();
  for (bool more = true; more;) {
    const size_t before = got.size();
    pulling = world_.pull(since_us, "me");
    world_.settle();
    take();
    more = got.size() > before;
  }
  std::vector<std::string> expected;
  for (size_t i = 0; i < world_.rows().size(); ++i) expected.push_back(world_.rows()[i].record);
  EXPECT_EQ(got, expected);
  size_t acknowledged = 0;
  for (const auto& [record, answer] : pushes) {
    EXPECT_TRUE(answer->came);
    acknowledged += answer->ok() ? 1 : 0;
  }
  EXPECT_EQ(acknowledged, expected.size());
}

}  // namespace
}  // namespace mana_sync::sync
