#include "mana_sync/server/key_set_refresh.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mana_sync/base/check.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"

namespace mana_sync::server {
namespace {

using testing::HasSubstr;
using testing::Not;

// RFC 8037 appendix A.2.
constexpr std::string_view kJwks = R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",)"
                                   R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

std::string answer(std::string_view status, std::string_view body, std::string_view headers = "") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), headers,
                     body);
}

// An HTTP server on 127.0.0.1 with one thread. The handler gets the request's path and returns the
// bytes to answer; nullopt leaves the request hanging until the server ends.
class TestServer {
 public:
  using Handler = std::function<std::optional<std::string>(const std::string& path)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    MANA_CHECK(::bind(listener_, generic, size) == 0 && ::listen(listener_, 16) == 0);
    MANA_CHECK(::getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TestServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    for (const int fd : hanging_) ::close(fd);
  }

  [[nodiscard]] std::string url(std::string_view path = "/jwks.json") const {
    return fmt::format("http://127.0.0.1:{}{}", port_, path);
  }
  [[nodiscard]] size_t requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  void wait_for_request() {
    std::unique_lock lock(mutex_);
    requested_.wait(lock, [this] { return requests_ > 0; });
  }

 private:
  void serve() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
      }
      const size_t start = request.find(' ') + 1;
      const std::string path = request.substr(start, request.find(' ', start) - start);
      {
        const std::lock_guard lock(mutex_);
        ++requests_;
      }
      requested_.notify_all();
      if (const std::optional<std::string> bytes = handler_(path)) {
        send_all(fd, *bytes);
        ::close(fd);
      } else {
        hanging_.push_back(fd);
      }
    }
  }
  static void send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  const Handler handler_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::vector<int> hanging_;
  std::mutex mutex_;
  size_t requests_ = 0;
  std::condition_variable requested_;
  std::thread thread_;
};

class KeySetRefreshTest : public testing::Test {
 protected:
  KeySetRefreshTest() {
    auto created = net::Loop::create(clock_, log_, metrics_);
    MANA_CHECK(created.has_value());
    loop_ = std::move(*created);
  }

  void start(const std::string& url, KeySetSchedule schedule = {}) {
    refresh_ = std::make_unique<KeySetRefresh>(
        *loop_, url, [this](auto result) { results_.push_back(std::move(result)); }, schedule);
  }
  // Asks for a second fetch while the first one is under way; until the first result.
  void start_and_ask_meanwhile(TestServer& server, std::promise<void>& first_may_be_answered) {
    start(server.url());
    server.wait_for_request();
    refresh_->fetch_now();
    first_may_be_answered.set_value();
    wait_for_results(1);
  }
  void wait_for_results(size_t count) {
    loop_->run_until([&] { return results_.size() >= count; });
  }
  // Fetches `url` once: the number of keys, or the reason.
  std::string outcome(const std::string& url, KeySetSchedule schedule = {}) {
    results_.clear();
    start(url, schedule);
    wait_for_results(1);
    refresh_.reset();
    if (results_[0]) return fmt::format("{} keys", (*results_[0])->size());
    EXPECT_EQ(results_[0].error().code, ErrorCode::kUnavailable);
    return results_[0].error().message;
  }
  std::string logged() {
    const std::lock_guard lock(log_mutex_);
    return log_text_;
  }

  SystemClock clock_;
  Metrics metrics_;
  std::mutex log_mutex_;
  std::string log_text_;
  Logger log_{LogLevel::kInfo, clock_, [this](std::string_view line) {
                const std::lock_guard lock(log_mutex_);
                log_text_ += line;
              }};
  std::unique_ptr<net::Loop> loop_;
  std::vector<Result<std::shared_ptr<const auth::KeySet>>> results_;
  std::unique_ptr<KeySetRefresh> refresh_;
};

TEST_F(KeySetRefreshTest, FetchesAtStart) {  // PROTOCOL 1.4
  TestServer server([](const auto&) { return answer("200 OK", kJwks); });
  EXPECT_EQ(outcome(server.url()), "1 keys");
  EXPECT_NE((*results_[0])->find("a"), nullptr);
  EXPECT_THAT(metrics_.render(), HasSubstr("mana_sync_key_set_fetches_total{result=\"ok\"} 1\n"));
  EXPECT_THAT(logged(),
              HasSubstr("\"event\":\"key_set_fetched\",\"url\":\"" + server.url() + "\""));
}

TEST_F(KeySetRefreshTest, FetchesAgainAndAgain) {  // PROTOCOL 1.4
  TestServer server([](const auto&) { return answer("200 OK", kJwks); });
  start(server.url(), {.refresh_ms = 1});
  wait_for_results(3);
  EXPECT_GE(server.requests(), 3u);
}

TEST_F(KeySetRefreshTest, RetriesSoonUntilAFetchSucceeds) {
  TestServer server([n = 0](const auto&) mutable {
    return ++n < 4 ? answer("500 Oh", "") : answer("200 OK", kJwks);
  });
  start(server.url(), {.retry_min_ms = 1, .retry_max_ms = 2});
  wait_for_results(4);
  EXPECT_FALSE(results_[2]);
  EXPECT_TRUE(results_[3]);
  EXPECT_THAT(metrics_.render(),
              HasSubstr("mana_sync_key_set_fetches_total{result=\"failed\"} 3\n"));
}

TEST_F(KeySetRefreshTest, FetchesOnRequest_AndManyRequestsAreOne) {  // PROTOCOL 1.4
  TestServer server([](const auto&) { return answer("200 OK", kJwks); });
  start(server.url());
  wait_for_results(1);
  for (int i = 0; i < 1000; ++i) refresh_->fetch_now();
  wait_for_results(2);
  refresh_.reset();
  // The first request may have started a fetch that the others came too late for.
  EXPECT_LE(server.requests(), 3u);
}

// Else a token with a new key, come while the old ones are on their way, would be refused.
TEST_F(KeySetRefreshTest, WhatWasOnItsWayWhenAFetchWasAskedForIsNotTold) {  // PROTOCOL 1.4
  std::promise<void> go_on;
  TestServer server([&, n = 0](const auto&) mutable {
    if (++n == 1) go_on.get_future().wait();
    return n == 2 ? answer("200 OK", kJwks) : answer("500 Oh", "");
  });
  start_and_ask_meanwhile(server, go_on);
  EXPECT_TRUE(results_[0]);
  EXPECT_EQ(server.requests(), 2u);
}

TEST_F(KeySetRefreshTest, WhereTheFetchThatWasAskedForFailsTheOneBeforeItCounts) {
  std::promise<void> go_on;
  TestServer server([&, n = 0](const auto&) mutable {
    if (++n == 1) go_on.get_future().wait();
    return n == 1 ? answer("200 OK", kJwks) : answer("500 Oh", "");
  });
  start_and_ask_meanwhile(server, go_on);
  EXPECT_TRUE(results_[0]);
  EXPECT_THAT(metrics_.render(),
              HasSubstr("mana_sync_key_set_fetches_total{result=\"failed\"} 1\n"));
}

TEST_F(KeySetRefreshTest, ReadsFiles) {  // PROTOCOL 1.4
  const auto path = std::filesystem::temp_directory_path() /
                    fmt::format("mana_sync_key_set_refresh_test.{}", ::getpid());
  std::ofstream(path) << kJwks;
  EXPECT_EQ(outcome("file://" + path.string()), "1 keys");
  std::filesystem::remove(path);
  EXPECT_THAT(outcome("file://" + path.string()), Not(HasSubstr("keys")));
  EXPECT_THAT(outcome("file:///dev/zero"), HasSubstr("more than 1048576 bytes"));
}

TEST_F(KeySetRefreshTest, OnlyA200WithAUsableKeyIsASuccess) {  // PROTOCOL 1.4
  TestServer server([](const std::string& path) {
    if (path == "/empty") return answer("200 OK", R"({"keys":[]})");
    if (path == "/html") return answer("200 OK", "<html>");
    return answer(path.substr(1) + " Whatever", kJwks);
  });
  EXPECT_EQ(outcome(server.url("/200")), "1 keys");
  for (const char* status : {"201", "203", "404", "401", "500", "503"}) {
    EXPECT_EQ(outcome(server.url(std::string("/") + status)), std::string("status ") + status);
  }
  EXPECT_EQ(outcome(server.url("/empty")), "no usable key among 0");
  EXPECT_EQ(outcome(server.url("/html")), "not JSON");
}

TEST_F(KeySetRefreshTest, FollowsThreeRedirectsAndNoMore) {  // PROTOCOL 1.4
  TestServer server([](const std::string& path) {
    const int left = std::stoi(path.substr(1));
    if (left == 0) return answer("200 OK", kJwks);
    return answer("302 Found", "", fmt::format("Location: /{}\r\n", left - 1));
  });
  EXPECT_EQ(outcome(server.url("/3")), "1 keys");
  EXPECT_THAT(outcome(server.url("/4")), HasSubstr("redirects"));
}

TEST_F(KeySetRefreshTest, FollowsNoRedirectToAFile) {
  const auto path = std::filesystem::temp_directory_path() /
                    fmt::format("mana_sync_key_set_redirect_test.{}", ::getpid());
  std::ofstream(path) << kJwks;
  TestServer server([&](const auto&) {
    return answer("302 Found", "", fmt::format("Location: file://{}\r\n", path.string()));
  });
  EXPECT_THAT(outcome(server.url()), HasSubstr("file"));
  std::filesystem::remove(path);
}

TEST_F(KeySetRefreshTest, TakesABodyOfOneMiBAndNoMore) {  // PROTOCOL 1.4
  const auto padded = [](size_t bytes) {
    return std::string(kJwks) + std::string(bytes - kJwks.size(), ' ');
  };
  TestServer server([&](const std::string& path) {
    if (path == "/fits") return answer("200 OK", padded(limits::kKeySetBytesMax));
    if (path == "/declared") return answer("200 OK", padded(limits::kKeySetBytesMax + 1));
    return "HTTP/1.0 200 OK\r\n\r\n" + padded(limits::kKeySetBytesMax + 1);
  });
  EXPECT_EQ(outcome(server.url("/fits")), "1 keys");
  EXPECT_EQ(outcome(server.url("/declared")), "more than 1048576 bytes");
  EXPECT_EQ(outcome(server.url("/until-close")), "more than 1048576 bytes");
}

TEST_F(KeySetRefreshTest, GivesUpOnAServerThatDoesNotAnswer) {  // PROTOCOL 1.4
  TestServer server([](const auto&) { return std::nullopt; });
  EXPECT_THAT(outcome(server.url(), {.fetch_timeout_ms = 20}), HasSubstr("timed out"));
}

TEST_F(KeySetRefreshTest, TruncatedBodyIsAFailure) {
  TestServer server([](const auto&) {
    return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", kJwks.size() + 1, kJwks);
  });
  EXPECT_THAT(outcome(server.url()), Not(HasSubstr("keys")));
}

TEST_F(KeySetRefreshTest, UsesNoProxyOfTheEnvironment) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("all_proxy", "http://127.0.0.1:1", 1);
  TestServer server([](const auto&) { return answer("200 OK", kJwks); });
  EXPECT_EQ(outcome(server.url()), "1 keys");
  ::unsetenv("http_proxy");
  ::unsetenv("all_proxy");
}

TEST_F(KeySetRefreshTest, RefusesOtherSchemesAndWhatIsNoUrl) {
  EXPECT_THAT(outcome("ftp://127.0.0.1/jwks.json"), HasSubstr("ftp"));
  EXPECT_THAT(outcome(""), Not(HasSubstr("keys")));
  EXPECT_THAT(outcome("http://"), Not(HasSubstr("keys")));
}

TEST_F(KeySetRefreshTest, LogsTheUrlWithoutItsSecrets) {
  TestServer server([](const auto&) { return answer("404 Not Found", ""); });
  std::string url = server.url("/jwks.json?token=hidden#hidden");
  url.insert(url.find("127"), "hidden:hidden@");
  EXPECT_EQ(outcome(url), "status 404");
  EXPECT_THAT(logged(), HasSubstr("\"event\":\"key_set_failed\",\"url\":\"" + server.url() +
                                  "\",\"reason\":\"status 404\""));
  EXPECT_THAT(logged(), Not(HasSubstr("hidden")));
}

TEST_F(KeySetRefreshTest, DestructionAbandonsAFetchUnderWay) {
  TestServer server([](const auto&) { return std::nullopt; });
  start(server.url(), {.fetch_timeout_ms = 600'000});
  server.wait_for_request();
  const auto before = std::chrono::steady_clock::now();
  refresh_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_TRUE(results_.empty());
}

TEST_F(KeySetRefreshTest, DestroyedRefreshReportsNothing) {
  TestServer server([](const auto&) { return answer("200 OK", kJwks); });
  start(server.url());
  // The line is written before the result is handed to the loop, which does not run meanwhile.
  while (logged().find("key_set_fetched") == std::string::npos) std::this_thread::yield();
  refresh_.reset();
  bool turned = false;
  loop_->post([&] { turned = true; });
  loop_->run_until([&] { return turned; });
  EXPECT_TRUE(results_.empty());
}

}  // namespace
}  // namespace mana_sync::server
