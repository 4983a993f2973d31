// The scenarios against a server that does what it should, and one that does not.
#include "load_scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace mana_sync::loadgen
