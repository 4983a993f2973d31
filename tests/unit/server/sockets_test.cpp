// WebSockets from their upgrade on, on a loop whose clock the test drives (PROTOCOL §6).
#include "sockets.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http_fixture.h"
#include "signing.h"

namespace mana_sync::server {
namespace {

using auth::testing::key_set_of;
using auth::testing::TestKey;

constexpr size_t kUnauthenticatedMax = 2;

// A client's frame, with a mask of zeros; `payload` is shorter than 64 KiB.
std::string text_frame(std::string_view payload) {
  std::string frame = "\x81";
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += '\xfe';
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size() & 0xff);
  }
  return frame.append(4, '\0').append(payload);
}

std::string server_text(std::string_view payload) {
  return fmt::format("\x81{}{}", static_cast<char>(payload.size()), payload);
}

std::string server_close(int code, std::string_view reason) {
  return fmt::format("\x88{}{}{}{}", static_cast<char>(reason.size() + 2),
                     static_cast<char>(code >> 8), static_cast<char>(code & 0xff), reason);
}

class SocketsTest : public http::HttpTest {
 protected:
  SocketsTest()
      : authenticator_({}, clock_, metrics_, [this] { ++fetches_; }),
        sockets_(*loop_, hub_, authenticator_, kUnauthenticatedMax) {
    authenticator_.on_keys(key_set_of({key_}));
    handler_.hook = [this](http::Request& request, http::Responder responder) {
      sockets_.open(request, "todo", responder);
    };
    start(default_options());
  }
  ~SocketsTest() override { stop(); }

  // The status of the answer to an upgrade.
  int upgrade(http::Client& client) {
    return exchange(client,
                    "GET /hook HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "\r\n",
                    true)
        .status;
  }
  http::Client& open() {
    http::Client& client = connect();
    EXPECT_EQ(upgrade(client), 101);
    return client;
  }
  static void auth(http::Client& client, const std::string& token) {
    client.send(text_frame(R"({"type":"auth","token":")" + token + "\"}"));
  }
  // Runs until the client has received exactly that, and takes it.
  void expect(http::Client& client, const std::string& bytes) {
    run_until([&] { return client.received().size() >= bytes.size() || client.saw_end(); });
    EXPECT_EQ(client.received(), bytes);
    client.take(client.received().size());
  }
  [[nodiscard]] std::string token_of(const TestKey& key, std::string_view more = "") const {
    return key.sign(fmt::format(R"({{"sub":"user"{}}})", more));
  }

  const TestKey key_{"known", 1};
  const std::string auth_ok_ = server_text(R"({"type":"auth-ok"})");
  int fetches_ = 0;
  sync::Hub hub_{metrics_};
  auth::Authenticator authenticator_;
  Sockets sockets_;
};

TEST_F(SocketsTest, ThoseWithoutATokenAreBounded) {
  http::Client& first = open();
  open();
  EXPECT_EQ(upgrade(connect()), 503);
  EXPECT_TRUE(has_metric("mana_sync_websockets_refused_total{bound=\"all\"} 1"));
  EXPECT_TRUE(has_metric("mana_sync_websockets_unauthenticated 2"));
  auth(first, token_of(key_));
  expect(first, auth_ok_);
  open();
  EXPECT_EQ(upgrade(connect()), 503);
}

TEST_F(SocketsTest, WithoutATokenAfter10S_1008) {  // 6.3
  http::Client& client = open();
  let_pass_ms(9'999);
  run_ticks();
  EXPECT_EQ(client.received(), "");
  let_pass_ms(1);
  expect(client, server_close(1008, "auth timeout"));
  EXPECT_TRUE(has_metric("mana_sync_websockets_refused_total{bound=\"time\"} 1"));
}

// Each waits for a key: one client must not take all the places of those who wait.
TEST_F(SocketsTest, OneTokenIsLookedAtAtATime_AndTheNewestCounts) {  // 1.4, 6.3
  http::Client& client = open();
  const TestKey unknown("unknown", 2);
  auth(client, token_of(unknown));
  run_until([&] { return fetches_ == 1; });
  for (int i = 0; i < 3; ++i) auth(client, token_of(unknown, fmt::format(R"(,"n":{})", i)));
  auth(client, token_of(key_));
  client.send(text_frame(R"({"type":"ping"})"));
  expect(client, server_text(R"({"type":"pong"})"));  // all before it was taken
  EXPECT_EQ(fetches_, 1);
  authenticator_.on_fetch_failed();
  expect(client, auth_ok_);
}

TEST_F(SocketsTest, ATokenThatExpiresIsToldAndAnotherOneExtends) {  // 6.4
  http::Client& client = open();
  const int64_t now_s = clock_.wall_us() / 1'000'000;
  auth(client, token_of(key_, fmt::format(R"(,"exp":{})", now_s + 60)));
  expect(client, auth_ok_);
  let_pass_ms(59'000);
  run_ticks();
  client.take(client.received().size());  // a ping
  let_pass_ms(1'000);
  expect(client, server_text(R"({"type":"auth-expired"})"));
  auth(client, token_of(key_));
  expect(client, auth_ok_);
  auth(client, token_of(key_, fmt::format(R"(,"exp":{})", now_s + 61)));
  expect(client, auth_ok_);
  let_pass_ms(1'000);
  expect(client, server_text(R"({"type":"auth-expired"})"));
  let_pass_ms(30'000);
  run_until([&] { return client.received().size() > 4; });
  EXPECT_TRUE(client.received().ends_with(server_close(1008, "token expired")));
}

TEST_F(SocketsTest, AKeyThatLeavesTakesItsSessionsWithIt) {  // 1.5
  http::Client& client = open();
  auth(client, token_of(key_));
  expect(client, auth_ok_);
  const auto same = key_set_of({key_, TestKey("other", 3)});
  sockets_.on_keys(*same);
  run_ticks();
  EXPECT_EQ(client.received(), "");
  sockets_.on_keys(*key_set_of({TestKey("known", 4)}));
  expect(client, server_text(R"({"type":"auth-expired"})"));
}

TEST_F(SocketsTest, AllAreSentAwayWhereAnotherServes) {  // ARCHITECTURE §5
  http::Client& known = open();
  auth(known, token_of(key_));
  expect(known, auth_ok_);
  http::Client& unknown = open();
  sockets_.send_all_away();
  expect(known, server_close(1012, "another server serves now"));
  expect(unknown, server_close(1012, "another server serves now"));
  EXPECT_EQ(hub_.user_count(), 0u);
}

TEST_F(SocketsTest, SoIsOneWhoseUpgradeWasJustAnswered) {
  handler_.hook = [this](http::Request& request, http::Responder responder) {
    sockets_.open(request, "todo", responder);
    sockets_.send_all_away();
  };
  expect(open(), server_close(1012, "another server serves now"));
}

}  // namespace
}  // namespace mana_sync::server
