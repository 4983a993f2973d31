// What the server refuses by itself (PROTOCOL 9.3), and that the client learns of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"
#include "refused_requests.h"

namespace mana_sync::http {
namespace {

using ::testing::HasSubstr;

class HttpRefusal : public HttpTest {
 protected:
  HttpRefusal() { start(default_options()); }
};

class RefusedByServer : public HttpRefusal, public testing::WithParamInterface<RefusedRequest> {};

TEST_P(RefusedByServer, AnswersAndCloses) {
  Client& client = connect();
  // A pipelined request behind it must never be looked at: that is what smuggling needs.
  const Answer answer = exchange(client, GetParam().bytes + kGet);
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  EXPECT_EQ(answer.headers.at("Content-Type"), "application/json");
  EXPECT_TRUE(answer.body.starts_with("{\"error\":\"" + std::string(error_code(answer.status)) +
                                      "\",\"message\":\""))
      << answer.body;
  wait_for_end(client);
  EXPECT_EQ(client.error(), 0);
  EXPECT_EQ(client.received(), "");
  EXPECT_TRUE(handler_.requests.empty());
  EXPECT_EQ(refused(error_code(GetParam().status)), 1);
}

INSTANTIATE_TEST_SUITE_P(All, RefusedByServer, testing::ValuesIn(refused_requests()),
                         [](const auto& refused) { return refused.param.name; });

TEST_F(HttpRefusal, ReachesAClientThatStillSends10MiB) {  // PROTOCOL 9.3, 2.12
  Client& client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n");
  client.send(std::string(10 * 1024 * 1024, 'x'));
  client.set_reading(false);
  run_until([&] { return client.unsent_bytes() == 0; });
  client.set_reading(true);
  EXPECT_EQ(next_answer(client).status, 413);
  wait_for_end(client);
  EXPECT_EQ(client.error(), 0) << "a reset would have swallowed the answer";
  EXPECT_TRUE(handler_.requests.empty());
  EXPECT_TRUE(handler_.heads.empty());
}

TEST_F(HttpRefusal, RefusalByTheHandlerReachesAClientThatStillSends) {  // PROTOCOL 9.3
  Client& client = connect();
  client.send("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  client.send(std::string(1'000'000, 'x'));
  client.set_reading(false);
  run_until([&] { return client.unsent_bytes() == 0; });
  client.set_reading(true);
  EXPECT_EQ(next_answer(client).status, 401);
  wait_for_end(client);
  EXPECT_EQ(client.error(), 0);
}

TEST_F(HttpRefusal, ChunkedBodyIsRefusedWhenItPassesTheMaximum) {  // PROTOCOL 2.12
  Client& client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  for (int i = 0; i < 33; ++i) client.send(chunk);
  EXPECT_EQ(next_answer(client).status, 413);
  EXPECT_EQ(handler_.heads.size(), 1u);
  EXPECT_TRUE(handler_.requests.empty());
}

TEST_F(HttpRefusal, LingeringEndsWithTime) {
  Client& client = connect();
  EXPECT_EQ(exchange(client, "nonsense\r\n\r\n").status, 400);
  wait_for_end(client);
  run_ticks();
  EXPECT_EQ(server_->connection_count(), 1u) << "the client may still be sending";
  let_pass_ms(limits::kLingerTimeoutMs + 1);
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(has_metric("mana_sync_http_cut_total{bound=\"linger\"} 0")) << "as it should be";
}

TEST_F(HttpRefusal, LingeringEndsWhileTheClientDripsBytes) {
  Client& client = connect();
  EXPECT_EQ(exchange(client, "nonsense\r\n\r\n").status, 400);
  for (int64_t passed_ms = 0; passed_ms <= limits::kLingerTotalTimeoutMs; passed_ms += 4'000) {
    client.send("x");
    let_pass_ms(4'000);
  }
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(has_metric("mana_sync_http_cut_total{bound=\"linger\"} 1"));
}

TEST_F(HttpRefusal, LingeringEndsWhereTheClientSendsWithoutEnd) {
  Client& client = connect();
  EXPECT_EQ(exchange(client, "nonsense\r\n\r\n").status, 400);
  const std::string more(limits::kMiB, 'x');
  for (size_t bytes = 0; bytes <= limits::kLingerBytesMax; bytes += more.size()) {
    client.send(more);
    run_until([&] { return client.unsent_bytes() == 0 || server_->drained(); });
  }
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(has_metric("mana_sync_http_cut_total{bound=\"linger\"} 1"));
}

TEST_F(HttpRefusal, LingeringEndsWhenTheClientCloses) {
  Client& client = connect();
  EXPECT_EQ(exchange(client, "nonsense\r\n\r\n").status, 400);
  clients_.clear();
  run_until([&] { return server_->drained(); });
}

class HttpOverload : public HttpTest {
 protected:
  HttpOverload() {
    ServerOptions options = default_options();
    options.connections_max = 2;
    options.bodies_bytes_max = 100'000;
    options.input_bytes_max = 40'000;
    start(std::move(options));
  }
};

TEST_F(HttpOverload, ConnectionsBeyondTheMaximumAreTold) {  // PROTOCOL 9.5
  Client& first = connect();
  Client& second = connect();
  exchange(first, kGet);
  exchange(second, kGet);
  Client& third = connect();
  const Answer answer =
      exchange(third, "GET /echo HTTP/1.1\r\nHost: a\r\nOrigin: " + kOrigin + "\r\n\r\n");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("Retry-After"), "1");
  EXPECT_EQ(answer.headers.at("Access-Control-Allow-Origin"), kOrigin);
  wait_for_end(third);
  EXPECT_EQ(refused("unavailable"), 1);
  EXPECT_EQ(exchange(first, kGet).status, 200);
  first.close_with_reset();
  third.close_with_reset();
  run_until([&] { return server_->connection_count() == 1; });
  EXPECT_EQ(exchange(connect(), kGet).status, 200);
}

TEST_F(HttpOverload, BodiesBeyondTheMemoryForAllAreRefused) {  // PROTOCOL 9.5
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
  const std::string half(30'000, 'x');
  Client& first = connect();
  Client& second = connect();
  first.send(head + half + half.substr(1));
  run_until([&] { return handler_.heads.size() == 1 && first.unsent_bytes() == 0; });
  run_ticks();
  const Answer answer = exchange(second, head + half + half);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("Retry-After"), "1");
  EXPECT_EQ(exchange(first, "x").body.size(), 60'000u);
  EXPECT_EQ(exchange(first, head + half + half).body.size(), 60'000u)
      << "memory was not given back";
}

TEST_F(HttpOverload, HeadsAndWhatWaitsBehindRequestsAreBoundedTogether) {  // PROTOCOL 9.5
  const auto input_is = [this](size_t bytes) {
    run_until([&] { return has_metric("mana_sync_input_bytes " + std::to_string(bytes)); });
  };
  const std::string head = "GET /later HTTP/1.1\r\nHost: a\r\nX: " + std::string(15'000, 'x');
  const size_t behind = 24'000;
  // Part of a head; then a whole one, and what waits behind it.
  Client& begun = connect();
  begun.send(head);
  input_is(head.size());
  Client& busy = connect();
  busy.send(kGetLater + std::string(behind, 'x'));
  input_is(head.size() + kGetLater.size() + behind);
  // What is too much is told, or cut off behind answers that are not taken; small ones pass.
  begun.send(std::string(1'000, 'x'));
  EXPECT_EQ(next_answer(begun).status, 503);
  input_is(kGetLater.size() + behind);
  begun.close_with_reset();
  run_until([&] { return server_->connection_count() == 1; });
  Client& large = connect();
  large.send(head + std::string(1'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(next_answer(large).status, 503);
  large.close_with_reset();
  run_until([&] { return server_->connection_count() == 1; });
  // Of a request that is under way nothing is known yet.
  Client& eager = connect();
  ask(eager, kGetLater);
  eager.send(std::string(behind, 'x'));
  run_until([&] { return has_metric("mana_sync_input_refused_total 3"); });
  run_until([&] { return server_->connection_count() == 1; });
  EXPECT_EQ(eager.received(), "");
  Client& unread = connect(16 * 1024);
  unread.set_reading(false);
  for (int i = 0; i < 1'000; ++i) unread.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  run_until([&] { return has_metric("mana_sync_input_refused_total 4"); });
  run_until([&] { return server_->connection_count() == 1; });
  EXPECT_EQ(exchange(connect(), kGet).status, 200);
  busy.close_with_reset();
  input_is(0);
}

TEST_F(HttpOverload, BodiesThatTakeTheirTimeMakeRoomForOthers) {
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
  const std::string body(60'000, 'x');
  Client& slow = connect();
  slow.send(head + body.substr(1));
  run_until([&] { return handler_.heads.size() == 1 && slow.unsent_bytes() == 0; });
  run_ticks();
  let_pass_ms(limits::kSlowBodyMs);
  Client& other = connect();
  EXPECT_EQ(exchange(other, head + body).body.size(), 60'000u);
  EXPECT_EQ(next_answer(slow).status, 503);
  wait_for_end(slow);
  EXPECT_TRUE(has_metric("mana_sync_bodies_refused_total 1"));
  EXPECT_TRUE(has_metric("mana_sync_bodies_bytes 0"));
  // Alone, one may take all the time that it wants.
  other.send(head + body.substr(1));
  run_until([&] { return handler_.heads.size() == 3 && other.unsent_bytes() == 0; });
  let_pass_ms(2 * limits::kSlowBodyMs);
  EXPECT_EQ(exchange(other, "x").body.size(), 60'000u);
}

TEST_F(HttpOverload, ConnectionsFarBeyondTheMaximumAreClosed) {
  const size_t most = 2 + limits::kOverloadConnectionsMax;
  for (size_t i = 0; i < most; ++i) connect();
  run_until([&] { return server_->connection_count() == most; });
  Client& last = connect();
  wait_for_end(last);
  EXPECT_EQ(last.received(), "");
  EXPECT_EQ(server_->connection_count(), most);
}

}  // namespace
}  // namespace mana_sync::http
