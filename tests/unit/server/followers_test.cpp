// Streams of server-sent events over a scripted store, on a loop whose clock the test drives
// (PROTOCOL §7).
#include "followers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine_world.h"
#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

using sync::testing::EngineWorld;

constexpr size_t kOutputBytesMax = 1'000'000;

class FollowersTest : public http::HttpTest {
 protected:
  FollowersTest() : followers_(*loop_, world_.engine, kOutputBytesMax) {
    handler_.hook = [this](http::Request&, http::Responder responder) {
      followers_.follow(world_.following(0), identity_, responder);
    };
    loop_->at_tick_end(net::TickPhase::kHubDrain, [this] { world_.engine.hub().drain(); });
    start(default_options());
  }
  ~FollowersTest() override { stop(); }

  http::Client& follow(int receive_buffer_bytes = 0) {
    http::Client& client = connect(receive_buffer_bytes);
    client.send("GET /hook HTTP/1.1\r\nHost: a\r\n\r\n");
    run_until([&] { return client.received().find("\r\n\r\n") != std::string_view::npos; });
    EXPECT_TRUE(client.received().starts_with("HTTP/1.1 200 OK\r\n"));
    client.take(client.received().find("\r\n\r\n") + 4);
    return client;
  }
  // How often that stands in what the client received.
  static size_t count(const http::Client& client, std::string_view text) {
    size_t times = 0;
    for (size_t at = 0; (at = client.received().find(text, at)) != std::string_view::npos; ++at) {
      ++times;
    }
    return times;
  }
  // A row that another program wrote, of about `bytes`.
  void store_row(int64_t stamp_us, size_t bytes = 10) {
    const std::string data = "{\"f\":\"" + std::string(bytes, 'x') + "\"}";
    world_.rows().add({.stamp_us = stamp_us,
                       .op = sync::Op::kInsert,
                       .table = "t",
                       .record = "r",
                       .client_id = "other",
                       .data = data,
                       .field_timestamps = "{}"});
  }
  [[nodiscard]] int64_t metric(std::string_view line) const {
    return metrics_.render().find(line) != std::string::npos ? 1 : 0;
  }

  std::shared_ptr<const auth::Identity> identity_ =
      std::make_shared<const auth::Identity>(auth::Identity{"user", {}, "kid", {}});
  EngineWorld world_;
  Followers followers_;
};

TEST_F(FollowersTest, TheHeadComesAtOnce_AndWhatCannotBeReadIsReadAgain) {  // 7.1
  store_row(sync::testing::kBeginMs * 1000 - 10);
  http::Client& client = follow();
  world_.store.fail_read();
  run_ticks();
  EXPECT_EQ(client.received(), "");
  let_pass_ms(limits::kFollowerRetryMs);
  run_until([&] { return !world_.store.reads.empty(); });
  world_.settle();
  run_until([&] { return count(client, "event: changes\n") == 1; });
}

TEST_F(FollowersTest, AHeartbeatComesEvery30S) {  // 7.2
  http::Client& client = follow();
  world_.settle();
  let_pass_ms(29'999);
  run_ticks();
  EXPECT_EQ(client.received(), "");
  let_pass_ms(1);
  run_until([&] { return count(client, "event: heartbeat\ndata: {}\n\n") == 1; });
  let_pass_ms(30'000);
  run_until([&] { return count(client, "event: heartbeat\ndata: {}\n\n") == 2; });
}

TEST_F(FollowersTest, EndsWhenItsTokenHasExpired_ByTheWallClock) {  // 7.2, 1.3
  const double now_s = static_cast<double>(clock_.wall_us()) / 1e6;
  identity_ = std::make_shared<const auth::Identity>(
      auth::Identity{"user", {.expires_at_s = now_s + 10}, "kid", {}});
  http::Client& client = follow();
  world_.settle();
  clock_.set_wall_us(clock_.wall_us() - 5'000'000);  // it has 5 s more
  let_pass_ms(40'000);
  run_ticks();
  EXPECT_EQ(count(client, "0\r\n\r\n"), 0u);
  let_pass_ms(5'000);
  run_until([&] { return count(client, "0\r\n\r\n") == 1; });
  EXPECT_TRUE(metric("mana_sync_followers_ended_total{reason=\"expired\"} 1\n"));
}

TEST_F(FollowersTest, WhatAllTogetherHaveNotTakenIsBounded) {  // 6.2, 7.2
  store_row(sync::testing::kBeginMs * 1000 - 10, 8 * kOutputBytesMax);
  http::Client& first = follow(4'096);
  first.set_reading(false);
  world_.settle();
  run_ticks();
  http::Client& second = follow();
  run_ticks();
  EXPECT_TRUE(world_.store.reads.empty()) << "it waits";
  EXPECT_TRUE(metric("mana_sync_followers_held_back_total 1\n"));
  first.close_with_reset();
  run_until([&] { return metric("mana_sync_followers_output_bytes 0\n") == 1; });
  let_pass_ms(limits::kFollowerRetryMs);
  run_until([&] { return !world_.store.reads.empty(); });
  world_.settle();
  run_until([&] { return count(second, "event: changes\n") == 1; });
}

}  // namespace
}  // namespace mana_sync::server
