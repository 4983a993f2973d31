// Time, shutdown and clients that go away (PROTOCOL 9.3).
#include <gtest/gtest.h>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

class HttpLifecycle : public HttpTest {
 protected:
  HttpLifecycle() { start(default_options()); }

  static std::string slow_post(const std::string& first_bytes) {
    return "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + first_bytes;
  }
};

TEST_F(HttpLifecycle, SlowHeadIsAnswered408) {  // PROTOCOL 9.3
  Client& client = connect();
  client.send("GET / HTTP/1.1\r\n");
  run_until([&] { return server_->connection_count() == 1; });
  for (int64_t passed_ms = 0; passed_ms < limits::kHeadTimeoutMs - 1'000; passed_ms += 1'000) {
    let_pass_ms(1'000);
    client.send("X: y\r\n");
    run_ticks();
    ASSERT_EQ(client.received(), "");
  }
  let_pass_ms(1'001);
  const Answer answer = next_answer(client);
  EXPECT_EQ(answer.status, 408);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  wait_for_end(client);
  EXPECT_EQ(refused("request_timeout"), 1);
}

TEST_F(HttpLifecycle, ConnectionWithoutAByteIsAnswered408) {  // PROTOCOL 9.3
  Client& client = connect();
  run_until([&] { return server_->connection_count() == 1; });
  let_pass_ms(limits::kHeadTimeoutMs - 1);
  EXPECT_FALSE(client.saw_end());
  let_pass_ms(2);
  EXPECT_EQ(next_answer(client).status, 408);
}

TEST_F(HttpLifecycle, HeadOfAKeptConnectionHasItsTimeFromItsFirstByte) {  // PROTOCOL 9.3
  Client& client = connect();
  exchange(client, kGet);
  let_pass_ms(60'000);
  client.send("GET /");
  run_ticks();
  let_pass_ms(limits::kHeadTimeoutMs - 1);
  EXPECT_EQ(client.received(), "");
  let_pass_ms(2);
  EXPECT_EQ(next_answer(client).status, 408);
}

TEST_F(HttpLifecycle, StalledBodyIsAnswered408) {  // PROTOCOL 9.3
  Client& client = connect();
  client.send(slow_post("x"));
  run_until([&] { return !handler_.heads.empty(); });
  for (int i = 0; i < 3; ++i) {
    let_pass_ms(limits::kBodyStallTimeoutMs - 1);
    client.send("x");
    run_ticks();
    ASSERT_EQ(client.received(), "");
  }
  let_pass_ms(limits::kBodyStallTimeoutMs + 1);
  EXPECT_EQ(next_answer(client).status, 408);
  wait_for_end(client);
  ASSERT_EQ(handler_.answers.size(), 1u);
  EXPECT_EQ(handler_.answers[0].path, "/echo");
}

TEST_F(HttpLifecycle, IdleConnectionIsClosedSilently) {  // PROTOCOL 9.3
  Client& client = connect();
  exchange(client, kGet);
  let_pass_ms(limits::kIdleTimeoutMs - 1);
  EXPECT_FALSE(client.saw_end());
  exchange(client, kGet);
  let_pass_ms(limits::kIdleTimeoutMs - 1);
  EXPECT_FALSE(client.saw_end());
  let_pass_ms(2);
  wait_for_end(client);
  EXPECT_EQ(client.received(), "");
  EXPECT_EQ(client.error(), 0);
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpLifecycle, BusyRequestHasNoTimeLimitHere) {
  Client& client = connect();
  client.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  let_pass_ms(600'000);
  EXPECT_TRUE(handler_.waiting[0].waiting());
  handler_.waiting[0].respond(text_response("late"));
  EXPECT_EQ(next_answer(client).body, "late");
}

TEST_F(HttpLifecycle, ClientThatTakesNoAnswerIsAborted) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  for (int i = 0; i < 8; ++i) client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  run_until([&] { return !handler_.answers.empty(); });
  run_ticks(100);
  let_pass_ms(limits::kSendStallTimeoutMs - 1);
  EXPECT_EQ(server_->connection_count(), 1u);
  let_pass_ms(2);
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(has_metric("mana_sync_http_cut_total{bound=\"stall\"} 1"));
}

TEST_F(HttpLifecycle, SlowReaderOfALastAnswerGetsAllOfIt) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  client.send("GET /big HTTP/1.0\r\n\r\n");
  run_until([&] { return !handler_.answers.empty(); });
  for (int i = 0; i < 6; ++i) {
    let_pass_ms(limits::kLingerTotalTimeoutMs / 2);
    client.set_reading(true);
    client.pump();
    run_ticks(1);
    client.set_reading(false);
  }
  client.set_reading(true);
  EXPECT_EQ(next_answer(client).body.size(), 3u * 1024 * 1024);
  wait_for_end(client);
  EXPECT_EQ(client.error(), 0);
}

TEST_F(HttpLifecycle, ShutdownClosesIdleConnectionsWhenNoRequestCanBeOnItsWay) {
  Client& idle = connect();
  exchange(idle, kGet);
  Client& fresh = connect();
  run_until([&] { return server_->connection_count() == 2; });
  server_->begin_shutdown();
  let_pass_ms(limits::kShutdownQuietMs - 1);
  EXPECT_EQ(server_->connection_count(), 2u);
  let_pass_ms(1);
  wait_for_end(idle);
  wait_for_end(fresh);
  EXPECT_EQ(fresh.received(), "");
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpLifecycle, RequestsThatWereOnTheirWayAtTheShutdownAreAnswered) {
  Client& idle = connect();
  exchange(idle, kGet);
  Client& fresh = connect();
  run_until([&] { return server_->connection_count() == 2; });
  Client& queued = connect();  // the kernel has taken it, and nobody else has
  server_->begin_shutdown();
  run_ticks();
  EXPECT_FALSE(server_->is_quiet());
  for (Client* client : {&idle, &fresh, &queued}) {
    const Answer answer = exchange(*client, kGet);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("Connection"), "close");
  }
  EXPECT_EQ(server_->connection_count(), 3u) << "their clients have not closed them";
  let_pass_ms(limits::kShutdownQuietMs);
  EXPECT_TRUE(server_->is_quiet());
  clients_.clear();
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpLifecycle, ShutdownLetsBusyRequestsFinish) {
  Client& busy = connect();
  busy.send(kGetLater + kGet);
  Client& sending = connect();
  sending.send(slow_post(std::string(50, 'x')));
  run_until([&] { return !handler_.waiting.empty() && handler_.heads.size() == 2; });
  server_->begin_shutdown();
  run_ticks();
  EXPECT_EQ(server_->connection_count(), 2u);
  let_pass_ms(limits::kShutdownQuietMs);
  EXPECT_FALSE(server_->is_quiet());

  handler_.waiting[0].respond(text_response("done"));
  const Answer answer = next_answer(busy);
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  wait_for_end(busy);
  EXPECT_EQ(busy.received(), "");

  EXPECT_EQ(exchange(sending, std::string(50, 'x')).headers.at("Connection"), "close");
  wait_for_end(sending);
  EXPECT_TRUE(server_->is_quiet());
  clients_.clear();
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpLifecycle, AbortClosesWhatIsLeft) {
  Client& busy = connect();
  busy.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  server_->begin_shutdown();
  server_->abort_all();
  EXPECT_FALSE(handler_.waiting[0].respond(text_response("too late")));
  run_until([&] { return server_->drained() && busy.saw_end(); });
}

TEST_F(HttpLifecycle, ClientThatFinishesSendingStillGetsItsAnswers) {
  Client& client = connect();
  client.send(kGetLater + kGet);
  client.finish_sending();
  run_until([&] { return !handler_.waiting.empty(); });
  run_ticks();
  handler_.waiting[0].respond(text_response("first"));
  EXPECT_EQ(next_answer(client).body, "first");
  EXPECT_EQ(next_answer(client).status, 200);
  wait_for_end(client);
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpLifecycle, ClientThatLeavesMidRequestIsForgotten) {
  for (const std::string& bytes : {std::string("GET / HT"), slow_post("x"), std::string()}) {
    Client& polite = connect();
    polite.send(bytes);
    polite.finish_sending();
    Client& rude = connect();
    rude.send(bytes);
    run_until([&] { return server_->connection_count() > 0; });
    run_ticks();
    rude.close_with_reset();
    run_until([&] { return server_->drained(); });
  }
  EXPECT_TRUE(handler_.requests.empty());
  EXPECT_TRUE(handler_.answers.empty());
}

TEST_F(HttpLifecycle, ResponderIsHarmlessAfterItsClientHasGone) {
  Client& client = connect();
  client.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  client.close_with_reset();
  run_until([&] { return server_->drained(); });
  EXPECT_FALSE(handler_.waiting[0].waiting());
  EXPECT_FALSE(handler_.waiting[0].respond(text_response("too late")));
  // Another connection in the same slot is not confused with it.
  Client& other = connect();
  other.send(kGetLater);
  run_until([&] { return handler_.waiting.size() == 2; });
  EXPECT_FALSE(handler_.waiting[0].respond(text_response("too late")));
  EXPECT_TRUE(handler_.waiting[1].respond(text_response("right")));
  EXPECT_EQ(next_answer(other).body, "right");
  EXPECT_FALSE(Responder().waiting());
  EXPECT_FALSE(Responder().respond(text_response("nobody")));
}

TEST_F(HttpLifecycle, HalfOpenConnectionsDoNotHinderHealthyOnes) {
  for (int i = 0; i < 1'000; ++i) connect().send("GET / HTTP/1.1\r\nX-Slow: ");
  run_until([&] { return server_->connection_count() == 1'000; });
  Client& healthy = connect();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(exchange(healthy, kGet).status, 200);
  let_pass_ms(limits::kHeadTimeoutMs + 1);
  EXPECT_EQ(exchange(healthy, kGet).status, 200);
  EXPECT_EQ(refused("request_timeout"), 1'000);
  let_pass_ms(limits::kLingerTimeoutMs + 1);
  run_until([&] { return server_->connection_count() == 1; });
}

}  // namespace
}  // namespace mana_sync::http
