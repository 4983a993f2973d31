// The scenarios against a server that does what it should, and one that does not.
#include "load_scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "fake_server.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::HasSubstr;

using LoadScenariosTest = LoadgenTest;

TEST_F(LoadScenariosTest, Health_AClosedLoopKeepsEachConnectionBusy) {
  play(make_health(run_of({}), {.workers = 4, .pipelined = 3, .seconds = 0.1}));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_GT(figure("rate"), 12 / 0.1);
  EXPECT_EQ(server_->connection_count(), 4u);
}

TEST_F(LoadScenariosTest, Health_AnOpenLoopAsksAtItsRate) {
  play(make_health(run_of({}), {.workers = 4, .seconds = 0.2, .requests_per_s = 500}));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  ASSERT_EQ(report_.latencies().size(), 1u);
  EXPECT_EQ(report_.latencies()[0].histogram.count(), 100u);
}

TEST_F(LoadScenariosTest, Health_NobodyAnswers_FailsTheRunAtItsEnd) {
  server_->begin_shutdown();
  run_until([&] { return server_->drained(); });
  play(make_health(run_of({}), {.workers = 2, .seconds = 0.05}));
  EXPECT_TRUE(report_.has_failed());
  EXPECT_THAT(report_.table(), HasSubstr("health: connect: Connection refused"));
}

class SyncScenarioTest : public LoadgenTest {
 protected:
  // Two users with three devices each.
  void play_sync(int pushes, int pulls, PushShape shape = {}) {
    SyncOptions options;
    options.driver.seconds = 0.1;
    options.driver.requests_per_s = 1'000;
    options.devices_per_user = 3;
    options.pushes = pushes;
    options.pulls = pulls;
    options.shape = shape;
    play(make_sync(run_of({"a", "b"}), options));
  }
  // Two users with a device that pushes and two that follow.
  void play_followed() {
    SyncOptions options;
    options.driver.seconds = 0.2;
    options.driver.requests_per_s = 500;
    options.devices_per_user = 1;
    options.pushes = 100;
    options.followers_per_user = 2;
    options.cuts_per_s = 50;
    play(make_sync(run_of({"a", "b"}), options));
  }
};

TEST_F(SyncScenarioTest, EveryChangeReachesEveryOtherDevice) {
  play_sync(100, 0, {.changes = 3});
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  const auto pushes = static_cast<double>(fake_->pushes.size());
  EXPECT_GT(pushes, 10);
  EXPECT_EQ(figure("changes acknowledged"), 3 * pushes);
  // To the two other devices, and to the reader.
  EXPECT_EQ(figure("changes delivered"), 9 * pushes);
}

TEST_F(SyncScenarioTest, DevicesTakeTurnsOnSharedConnections) {
  SyncOptions options;
  options.driver.seconds = 0.2;
  options.connections = 3;
  options.shape = {.changes = 2};
  options.pushes = 100;
  play(make_sync(run_of({"a", "b", "c", "d"}), options));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(server_->connection_count(), 3u);
  // To the user's other device, and to the reader.
  EXPECT_EQ(figure("changes delivered"), 2 * figure("changes acknowledged"));
  std::set<std::string> writers;
  for (const std::string& body : fake_->pushes) writers.insert(body.substr(0, body.find(',')));
  EXPECT_EQ(writers.size(), 8u);
}

TEST_F(SyncScenarioTest, PullsAndHealthAreMixedIn) {
  play_sync(50, 30);
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(report_.latencies().size(), 3u);
}

TEST_F(SyncScenarioTest, ALostChangeFailsTheRun) {
  fake_->store.changes_to_lose = 1;
  play_sync(100, 0);
  EXPECT_TRUE(report_.has_failed());
  EXPECT_EQ(figure("changes lost"), 3);
}

TEST_F(SyncScenarioTest, ARepeatedChangeFailsTheRun) {
  fake_->store.changes_to_repeat = 1;
  play_sync(100, 0);
  EXPECT_TRUE(report_.has_failed());
  EXPECT_EQ(figure("changes repeated"), 3);
}

TEST_F(SyncScenarioTest, AnUnansweredPushIsRepeated_SoThatAServerThatKeptItIsFoundOut) {
  fake_->pushes_to_forget = 1;
  play_sync(100, 0, {.updates = 0, .deletes = 0});
  EXPECT_THAT(report_.table(), HasSubstr("push answered 503"));
  EXPECT_EQ(figure("changes repeated"), 3);
}

TEST_F(SyncScenarioTest, ARefusedPushIsNobodysLoss) {
  fake_->push_status = 400;
  play_sync(50, 50);
  EXPECT_EQ(figure("changes lost"), 0);
  EXPECT_EQ(figure("changes acknowledged"), 0);
  EXPECT_THAT(report_.table(), HasSubstr("push answered 400"));
}

TEST_F(SyncScenarioTest, FollowersGetEverythingOnce_ThoughTheyAreCut) {
  play_followed();
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(figure("followers"), 4);
  EXPECT_GT(figure("followers opened"), 4);
  // To the reader, and to two followers.
  EXPECT_EQ(figure("changes delivered"), 3 * figure("changes acknowledged"));
}

TEST_F(SyncScenarioTest, AnEventSentTwiceFailsTheRun) {
  fake_->events_to_repeat = 1;
  play_followed();
  EXPECT_THAT(report_.table(), HasSubstr("changes were repeated"));
}

class PullScenarioTest : public LoadgenTest {
 protected:
  void play_pull(PullOptions options) {
    options.driver.workers = 4;
    options.driver.seconds = 0.05;
    play(make_pull(run_of({"a", "b"}), options));
  }
};

TEST_F(PullScenarioTest, EachPageIsWhatIsBehindTheCursor) {
  play_pull({.older = 150, .behind = 5});
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_GT(figure("rate"), 0);
}

TEST_F(PullScenarioTest, APageMayBePartOfIt_OrEmpty) {
  play_pull({.behind = FakeStore::kPageChanges + 1});
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  play_pull({.behind = 0});
  EXPECT_FALSE(report_.has_failed()) << report_.table();
}

TEST_F(PullScenarioTest, APageThatLacksAChangeFailsTheRun) {
  fake_->store.changes_to_lose = 1;
  play_pull({.behind = 5});
  EXPECT_THAT(report_.table(), HasSubstr("FAILED: a page is not complete"));
}

TEST_F(PullScenarioTest, AStreamThatCannotBeFilledFailsTheRun) {
  fake_->push_status = 401;
  play_pull({});
  EXPECT_THAT(report_.table(), HasSubstr("a stream could not be filled: a push answered 401"));
}

}  // namespace
}  // namespace mana_sync::loadgen
