#include "http_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "fake_server.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

struct Answers final : HttpEvents {
  std::vector<std::pair<int, std::string>> all;
  std::function<void()> hook;
  void on_answer(int status, std::string_view body) override {
    all.emplace_back(status, body);
    if (hook) hook();
  }
};

class HttpConnectionTest : public LoadgenTest {
 protected:
  std::string get(std::string_view target) { return get_request(network_->endpoint(), target); }

  Answers answers_;
};

TEST_F(HttpConnectionTest, PipelinedRequestsAreAnsweredInOrder) {
  fake_->hook = [](const http::Request& request) {
    http::Response response;
    response.body = std::string(request.path);
    return response;
  };
  HttpConnection connection(*network_, answers_);
  for (const char* const target : {"/1", "/2", "/3"}) connection.send(get(target));
  EXPECT_EQ(connection.outstanding(), 3u);
  run_until([&] { return answers_.all.size() == 3; });
  EXPECT_THAT(answers_.all, ElementsAre(Pair(200, "/1"), Pair(200, "/2"), Pair(200, "/3")));
  EXPECT_EQ(server_->connection_count(), 1u);
}

TEST_F(HttpConnectionTest, ALargeAnswerIsWhole) {
  const std::string large(1 << 20, 'x');
  fake_->hook = [&](const http::Request&) {
    http::Response response;
    response.body = large;
    return response;
  };
  HttpConnection connection(*network_, answers_);
  connection.send(get("/large"));
  run_until([&] { return !answers_.all.empty(); });
  EXPECT_EQ(answers_.all[0].second, large);
}

TEST_F(HttpConnectionTest, AnEndlessAnswerEndsTheConnection) {
  fake_->events = std::string(HttpConnection::kAnswerBytesMax + 1, 'x');
  HttpConnection connection(*network_, answers_);
  connection.send(get("/events"));
  run_until([&] { return !answers_.all.empty(); });
  EXPECT_THAT(answers_.all, ElementsAre(Pair(0, "an answer is endless")));
}

TEST_F(HttpConnectionTest, AfterTheServersEnd_TheNextRequestHasANewConnection) {
  HttpConnection connection(*network_, answers_);
  connection.send(get("/close"));
  run_until([&] { return answers_.all.size() == 1; });
  connection.send(get("/health"));
  run_until([&] { return answers_.all.size() == 2; });
  EXPECT_THAT(answers_.all, ElementsAre(Pair(200, "last"), Pair(200, "{}")));
}

TEST_F(HttpConnectionTest, RequestsBehindTheServersEndAreTold) {
  HttpConnection connection(*network_, answers_);
  connection.send(get("/close"));
  connection.send(get("/health"));
  run_until([&] { return answers_.all.size() == 2; });
  EXPECT_EQ(answers_.all[1].first, 0);
}

TEST_F(HttpConnectionTest, AnAnswerMayBeFollowedByARequest) {
  HttpConnection connection(*network_, answers_);
  answers_.hook = [&] {
    if (answers_.all.size() < 5) connection.send(get("/health"));
  };
  connection.send(get("/health"));
  run_until([&] { return answers_.all.size() == 5; });
  EXPECT_EQ(connection.outstanding(), 0u);
}

TEST_F(HttpConnectionTest, NobodyListens_IsTold) {
  server_->begin_shutdown();
  run_until([&] { return server_->drained(); });
  HttpConnection connection(*network_, answers_);
  connection.send(get("/health"));
  EXPECT_TRUE(answers_.all.empty());
  run_until([&] { return answers_.all.size() == 1; });
  EXPECT_THAT(answers_.all, ElementsAre(Pair(0, "connect: Connection refused")));
}

TEST(Endpoint, TakesHostsAndLiterals) {
  for (const char* const url : {"http://127.0.0.1:80", "http://[::1]:3050/", "http://127.0.0.1"}) {
    EXPECT_TRUE(Endpoint::parse(url).has_value()) << url;
  }
  EXPECT_EQ(Endpoint::parse("http://[::1]:3050/")->authority, "[::1]:3050");
  for (const char* const url : {"https://127.0.0.1", "http://", "http://127.0.0.1:80/sync",
                                "127.0.0.1:80", "http://127.0.0.1:http"}) {
    EXPECT_FALSE(Endpoint::parse(url).has_value()) << url;
  }
}

}  // namespace
}  // namespace mana_sync::loadgen
