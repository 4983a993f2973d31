// What a request costs the connection in allocations, once it has been asked before.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/spare_strings.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "support/allocation_count.h"

namespace mana_sync::http {
namespace {

// Answers each request alike.
class FixedHandler final : public Handler {
 public:
  std::optional<Response> on_head(Request&) override { return std::nullopt; }
  void on_request(Request&, Responder responder) override {
    Response response;
    response.body.own() = take_spare_string(256);
    response.body.own() += "the answer that everybody gets";
    responder.respond(std::move(response));
  }
  void on_answer(const Request*, const Response&, int64_t) override {}
};

TEST(HttpAllocationTest, ARequestOnAConnectionThatHasAnsweredBeforeMakesNone) {
  const SystemClock clock;
  Logger log(LogLevel::kOff, clock);
  Metrics metrics;
  auto loop = net::Loop::create(clock, log, metrics);
  ASSERT_TRUE(loop.has_value());
  FixedHandler handler;
  auto server =
      Server::start(**loop, handler,
                    {.listen_address = "127.0.0.1", .port = 0, .connections_max = 1, .cors = {}});
  ASSERT_TRUE(server.has_value());
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((*server)->port());
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  constexpr std::string_view kRequest =
      "GET /sync/todo/pull?since=0 HTTP/1.1\r\nHost: sync.example.com\r\nX-Client-Id: "
      "phone\r\n\r\n";
  std::array<char, 1024> answer;
  const std::function<bool()> is_answered = [&] {
    return ::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT) > 0;
  };
  const auto exchange = [&] {
    ASSERT_EQ(::send(fd, kRequest.data(), kRequest.size(), 0),
              static_cast<ssize_t>(kRequest.size()));
    (*loop)->run_until(is_answered);
  };
  for (int i = 0; i < 3; ++i) exchange();
  const size_t before = allocation_count();
  for (int i = 0; i < 10; ++i) exchange();
  EXPECT_EQ(allocation_count(), before);

  ::close(fd);
  (*loop)->run_until([&] { return (*server)->drained(); });
}

}  // namespace
}  // namespace mana_sync::http
