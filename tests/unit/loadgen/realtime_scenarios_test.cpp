// The scenarios against a server that does what it should, and one that does not.
#include "realtime_scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fake_server.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::HasSubstr;

class RealtimeScenariosTest : public LoadgenTest {
 protected:
  static constexpr NotifyOptions kSmall{
      .listeners_per_user = 5, .pushes_per_s = 200, .seconds = 0.1};
};

TEST_F(RealtimeScenariosTest, Idle_HoldsSocketsAndLooksAtTheProcess) {
  RunContext& run = run_of({"a", "b"}, {.server_pid = ::getpid()});
  play(make_idle(run, {.sockets = 20, .opened_per_s = 0, .hold_s = 0.05}));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(figure("sockets authenticated"), 20);
  EXPECT_GT(figure("server RSS before"), 1);
}

TEST_F(RealtimeScenariosTest, Idle_RefusedSocketsFailIt) {
  fake_->refused_handshakes = 3;
  play(make_idle(run_of({"a"}), {.sockets = 10, .opened_per_s = 5'000, .hold_s = 0.01}));
  EXPECT_TRUE(report_.has_failed());
  EXPECT_EQ(figure("sockets authenticated"), 7);
  EXPECT_THAT(report_.table(), HasSubstr("503"));
}

TEST_F(RealtimeScenariosTest, Idle_RefusedTokensFailIt) {
  play(make_idle(run_of({"a", "bad"}), {.sockets = 10, .hold_s = 0.01}));
  EXPECT_EQ(figure("sockets refused or failed"), 5);
  EXPECT_THAT(report_.table(), HasSubstr("closed with 1008 invalid token"));
}

TEST_F(RealtimeScenariosTest, Notify_EachListenerHearsOfEachPush) {
  play(make_notify(run_of({"a"}), kSmall));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(figure("pushes"), 20);
  EXPECT_EQ(figure("notices"), 100);
  for (const Report::Latency& latency : report_.latencies()) {
    EXPECT_EQ(latency.histogram.count(), 20u) << latency.name;
  }
}

TEST_F(RealtimeScenariosTest, Notify_AMissedNoticeFailsIt) {
  fake_->notices_to_drop = 1;
  play(make_notify(run_of({"a"}, {.phase_timeout_s = 1}), kSmall));
  EXPECT_TRUE(report_.has_failed());
  EXPECT_EQ(figure("notices missed"), 1);
}

TEST_F(RealtimeScenariosTest, Notify_RefusedPushesFailIt) {
  fake_->push_status = 503;
  play(make_notify(run_of({"a"}), kSmall));
  EXPECT_TRUE(report_.has_failed());
  EXPECT_EQ(figure("pushes refused"), 20);
  EXPECT_EQ(figure("notices missed"), 0);
  EXPECT_THAT(report_.table(), HasSubstr("push answered 503"));
}

TEST_F(RealtimeScenariosTest, Users_HearOfTheirOwnPushesOnly) {
  play(make_notify(run_of({"a", "b", "c"}),
                   {.users = 3, .listeners_per_user = 1, .pushes_per_s = 300, .seconds = 0.1}));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(figure("notices"), 30);
}

TEST_F(RealtimeScenariosTest, Writers_KeepTheCursorTheyWereGiven) {
  play(make_notify(run_of({"a"}), kSmall));
  // The 19 before it are its own, and are behind the cursor all the same.
  EXPECT_THAT(fake_->pushes.back(), HasSubstr(R"("since":"2096-10-02T07:06:40.000019Z")"));
}

TEST_F(RealtimeScenariosTest, Storm_AllComeBack_ThoughSomeAreRefusedAtFirst) {
  fake_->refused_handshakes = 5;
  play(make_storm(run_of({"a", "b"}), {.sockets = 30, .opened_per_s = 0}));
  EXPECT_FALSE(report_.has_failed()) << report_.table();
  EXPECT_EQ(figure("sockets authenticated again"), 30);
}

}  // namespace
}  // namespace mana_sync::loadgen
