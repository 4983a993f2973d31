// What a client of the HTTP server sees (PROTOCOL §9) when it does nothing wrong.
#include "mana_sync/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_fixture.h"

namespace mana_sync::http {
namespace {

using ::testing::HasSubstr;

class HttpServer : public HttpTest {
 protected:
  HttpServer() { start(default_options()); }
};

TEST_F(HttpServer, AnswersWithDateAndExactLength) {  // PROTOCOL 9.1
  Client& client = connect();
  const Answer answer = exchange(client, "GET /nowhere?x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"error":"not_found","message":"/nowhere"})");
  EXPECT_EQ(answer.headers, (std::map<std::string, std::string>{
                                {"Date", "Tue, 14 Nov 2023 22:13:20 GMT"},
                                {"Content-Type", "application/json"},
                                {"X-Content-Type-Options", "nosniff"},
                                {"Cache-Control", "no-store"},
                                {"Content-Length", std::to_string(answer.body.size())}}));
  EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 404 Not Found\r\n"));
}

TEST_F(HttpServer, TellsTheTimeOfEachAnswer) {
  Client& client = connect();
  exchange(client, kGet);
  clock_.advance_us(3'000'000);
  EXPECT_EQ(exchange(client, kGet).headers.at("Date"), "Tue, 14 Nov 2023 22:13:23 GMT");
}

TEST_F(HttpServer, KeepsConnectionsAlive) {  // PROTOCOL 9.1
  Client& client = connect();
  for (int i = 0; i < 100; ++i) {
    const std::string body(static_cast<size_t>(i * 37), 'x');
    const Answer answer = exchange(client, "POST /echo?n HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                                               std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.headers.at("X-Query"), "n");
    EXPECT_EQ(answer.headers.count("Connection"), 0u);
  }
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(HttpServer, AnswersPipelinedRequestsInOrder) {  // PROTOCOL 9.1
  Client& client = connect();
  std::string bytes;
  for (int i = 0; i < 2'000; ++i) {
    const std::string body = std::to_string(i);
    bytes += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
             "\r\n\r\n" + body;
  }
  client.send(bytes);
  for (int i = 0; i < 2'000; ++i) ASSERT_EQ(next_answer(client).body, std::to_string(i));
}

TEST_F(HttpServer, PipelinedRequestWaitsForTheAnswerBefore) {  // PROTOCOL 9.1
  Client& client = connect();
  client.send(kGetLater + kGetLater + kGet);
  run_until([&] { return !handler_.waiting.empty(); });
  run_ticks();
  ASSERT_EQ(handler_.requests.size(), 1u);
  EXPECT_TRUE(handler_.waiting[0].respond(text_response("first")));
  EXPECT_EQ(handler_.requests.size(), 1u) << "the handler was called from within respond()";
  run_until([&] { return handler_.waiting.size() == 2; });
  EXPECT_FALSE(handler_.waiting[0].respond(text_response("stale")));
  EXPECT_TRUE(handler_.waiting[1].respond(text_response("second")));
  EXPECT_EQ(next_answer(client).body, "first");
  EXPECT_EQ(next_answer(client).body, "second");
  EXPECT_EQ(next_answer(client).status, 200);
}

TEST_F(HttpServer, TakesNoMoreInputThanItsBoundBehindARequest) {
  Client& client = connect(16 * 1024);
  client.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  std::string flood;
  while (flood.size() < 16 * 1024 * 1024) flood += kGet;
  client.send(flood);
  run_ticks(200);
  EXPECT_GT(client.unsent_bytes(), 0u) << "nothing held the client back";
  handler_.waiting[0].respond(text_response("first"));
  EXPECT_EQ(next_answer(client).body, "first");
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(next_answer(client).status, 200);
}

TEST_F(HttpServer, StopsAtAReaderThatTakesNoAnswers) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  std::string bytes;
  for (int i = 0; i < 500; ++i) bytes += "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(bytes);
  run_ticks(200);
  EXPECT_LT(handler_.requests.size(), 10u) << "3 MiB of answer each were piled up";
  client.set_reading(true);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(next_answer(client).body.size(), 3u * 1024 * 1024);
}

TEST_F(HttpServer, LeavesTheBodyOutForHead) {  // PROTOCOL 9.1
  Client& client = connect();
  const Answer answer = exchange(client, "HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n", true);
  EXPECT_EQ(answer.headers.at("Content-Length"), std::to_string(3 * 1024 * 1024));
  EXPECT_EQ(exchange(client, kGet).status, 200) << "a body followed";
}

TEST_F(HttpServer, ClosesAfterA10Request) {  // PROTOCOL 9.1
  Client& client = connect();
  const Answer answer = exchange(client, "GET /echo HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  wait_for_end(client);
  EXPECT_EQ(client.error(), 0);
}

TEST_F(HttpServer, KeepsA10ConnectionThatAsksForIt) {  // PROTOCOL 9.1
  Client& client = connect();
  for (int i = 0; i < 3; ++i) {
    const Answer answer = exchange(client, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(answer.headers.at("Connection"), "keep-alive");
  }
}

TEST_F(HttpServer, ClosesWhereAskedTo) {  // PROTOCOL 9.1
  Client& client = connect();
  // The second is never looked at.
  const Answer answer =
      exchange(client, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + kGet);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  wait_for_end(client);
  EXPECT_EQ(client.received(), "");

  Client& other = connect();
  EXPECT_EQ(exchange(other, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n").headers.at("Connection"),
            "close");
  wait_for_end(other);
  EXPECT_EQ(handler_.requests.size(), 2u);
  clients_.clear();
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpServer, ReadsChunkedBodies) {  // PROTOCOL 2.12
  Client& client = connect();
  const std::string chunk(70'000, 'c');
  const Answer answer = exchange(
      client,
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n"
      "11170\r\n" +
          chunk + "\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(answer.body, "hello" + chunk);
  EXPECT_EQ(exchange(client, kGet).body, "");
}

TEST_F(HttpServer, ReadsABodyOfExactlyTheMaximumInPieces) {  // PROTOCOL 2.12
  Client& client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
  for (int i = 0; i < 16; ++i) {
    client.send(std::string(65'536, static_cast<char>('a' + i)));
    run_ticks(1);
  }
  const Answer answer = next_answer(client);
  EXPECT_EQ(answer.body.size(), 1'048'576u);
  EXPECT_EQ(answer.body.back(), 'p');
}

TEST_F(HttpServer, HoldsNothingOfABodyThatTheHandlerDoesNotWant) {
  const std::string sized = "GET /drop HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
  const std::string chunked =
      "GET /drop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n";
  for (const std::string& head : {sized, chunked}) {
    Client& client = connect();
    client.send(head + std::string(1'048'575, 'x'));
    run_until([&] { return client.unsent_bytes() == 0; });
    run_ticks();
    EXPECT_THAT(metrics_.render(), HasSubstr("mana_sync_bodies_bytes 0\n"));
    client.send(head == sized ? "x" : "\r\n0\r\n\r\n");
    EXPECT_EQ(next_answer(client).body, "");
    EXPECT_EQ(exchange(client, kGet).status, 200) << "what followed it was read as the next";
    EXPECT_EQ(
        exchange(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").body,
        "hi");
  }
}

TEST_F(HttpServer, HoldsNothingOfThePreflightsBody) {
  Client& client = connect();
  client.send("OPTIONS /echo HTTP/1.1\r\nHost: a\r\nOrigin: " + kOrigin +
              "\r\nAccess-Control-Request-Method: POST\r\nContent-Length: 9\r\n\r\n12345678");
  run_ticks();
  EXPECT_THAT(metrics_.render(), HasSubstr("mana_sync_bodies_bytes 0\n"));
  client.send("9");
  EXPECT_EQ(next_answer(client).status, 204);
}

TEST_F(HttpServer, SendsContinueOnlyAfterTheHeadWasTaken) {  // PROTOCOL 2.12
  const std::string end =
      " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  Client& client = connect();
  EXPECT_EQ(exchange(client, "POST /echo" + end).status, 100);
  EXPECT_EQ(exchange(client, "hello").body, "hello");

  Client& refused = connect();
  const Answer answer = exchange(refused, "POST /refuse" + end);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
  wait_for_end(refused);
}

TEST_F(HttpServer, RefusalAtTheHeadKeepsAConnectionWithoutABody) {
  Client& client = connect();
  const Answer answer = exchange(client, "GET /refuse HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.headers.at("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(exchange(client, kGet).status, 200);
}

TEST_F(HttpServer, LeavesUnknownMethodsToTheHandler) {  // PROTOCOL 9.1
  Client& client = connect();
  EXPECT_EQ(exchange(client, "FOO /a HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);
  EXPECT_EQ(exchange(client, "QUERY /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status,
            404);
  EXPECT_EQ(exchange(client, kGet).status, 200) << "the connection is kept";
  EXPECT_EQ(handler_.requests, (std::vector<std::string>{"/a", "/b", "/echo"}));
}

TEST_F(HttpServer, IgnoresUpgrades) {
  Client& client = connect();
  EXPECT_EQ(exchange(client,
                     "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                     "Upgrade: h2c\r\n\r\n")
                .status,
            200);
  EXPECT_EQ(exchange(client, kGet).status, 200);
}

TEST_F(HttpServer, TakesAbsoluteTargets) {
  Client& client = connect();
  EXPECT_EQ(
      exchange(client, "GET http://a/echo?q HTTP/1.1\r\nHost: a\r\n\r\n").headers.at("X-Query"),
      "q");
}

TEST_F(HttpServer, KeepsWhatOnHeadLeftUntilTheAnswer) {
  Client& client = connect();
  client.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  EXPECT_FALSE(handler_.context.expired());
  handler_.waiting[0].respond(text_response("x"));
  EXPECT_TRUE(handler_.context.expired());
  Client& gone = connect();
  gone.send(kGetLater);
  run_until([&] { return handler_.waiting.size() == 2; });
  gone.close_with_reset();
  run_until([&] { return server_->connection_count() == 1; });
  EXPECT_TRUE(handler_.context.expired());
}

TEST_F(HttpServer, TellsTheHandlerOfEachAnswer) {
  Client& client = connect();
  client.send(kGetLater);
  run_until([&] { return !handler_.waiting.empty(); });
  clock_.advance_us(1'234);
  handler_.waiting[0].respond(text_response("x"));
  next_answer(client);
  exchange(client, "nonsense\r\n\r\n");
  ASSERT_EQ(handler_.answers.size(), 2u);
  EXPECT_EQ(handler_.answers[0].status, 200);
  EXPECT_EQ(handler_.answers[0].path, "/later");
  EXPECT_EQ(handler_.answers[0].duration_ns, 1'234'000);
  EXPECT_EQ(handler_.answers[1].status, 400);
  EXPECT_EQ(handler_.answers[1].path, "");
}

// --- CORS (PROTOCOL 9.4) ---

TEST_F(HttpServer, AnswersPreflightsItself) {
  Client& client = connect();
  const Answer answer =
      exchange(client, "OPTIONS /sync/x HTTP/1.1\r\nHost: a\r\nOrigin: " + kOrigin +
                           "\r\nAccess-Control-Request-Method: POST\r\n"
                           "Access-Control-Request-Headers: x\r\n\r\n");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.headers,
            (std::map<std::string, std::string>{
                {"Date", "Tue, 14 Nov 2023 22:13:20 GMT"},
                {"Access-Control-Allow-Origin", kOrigin},
                {"Access-Control-Allow-Credentials", "true"},
                {"Vary", "Origin"},
                {"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Client-Id"},
                {"Access-Control-Max-Age", "86400"}}));
  EXPECT_TRUE(handler_.heads.empty());
  EXPECT_EQ(exchange(client, kGet).status, 200);
}

TEST_F(HttpServer, LeavesOtherOptionsToTheHandler) {
  Client& client = connect();
  EXPECT_EQ(exchange(client, "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);
  EXPECT_EQ(
      exchange(client, "OPTIONS /b HTTP/1.1\r\nHost: a\r\nOrigin: " + kOrigin + "\r\n\r\n").status,
      404);
  const Answer foreign = exchange(client,
                                  "OPTIONS /c HTTP/1.1\r\nHost: a\r\nOrigin: https://evil\r\n"
                                  "Access-Control-Request-Method: POST\r\n\r\n");
  EXPECT_EQ(foreign.status, 404);
  EXPECT_EQ(foreign.head.find("Access-Control"), std::string::npos);
  EXPECT_EQ(handler_.requests, (std::vector<std::string>{"/a", "/b", "/c"}));
}

TEST_F(HttpServer, AddsCorsHeadersToEveryAnswerForAnAllowedOrigin) {
  for (const char* request :
       {"GET /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n",
        "GET /refuse HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n",
        "GET / HTTP/1.1\r\nOrigin: https://app.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nBad : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nX: y\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nContent-Length: 9999999\r\n"
        "\r\n"}) {
    Client& client = connect();
    const Answer answer = exchange(client, request);
    EXPECT_EQ(answer.headers.at("Access-Control-Allow-Origin"), kOrigin) << request;
    EXPECT_EQ(answer.headers.at("Access-Control-Allow-Credentials"), "true");
    EXPECT_EQ(answer.headers.at("Vary"), "Origin");
  }
}

TEST_F(HttpServer, AddsNoCorsHeadersForOthers) {
  Client& client = connect();
  for (const char* origin : {"", "Origin: https://app.example.evil\r\n", "Origin: null\r\n"}) {
    const Answer answer =
        exchange(client, "GET /echo HTTP/1.1\r\nHost: a\r\n" + std::string(origin) + "\r\n");
    EXPECT_EQ(answer.head.find("Access-Control"), std::string::npos) << origin;
    EXPECT_EQ(answer.headers.count("Vary"), 0u);
  }
}

}  // namespace
}  // namespace mana_sync::http
