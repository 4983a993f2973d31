// WebSockets as clients open them: over the HTTP server (PROTOCOL 6.6, 6.7).
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "mana_sync/http/server.h"
#include "mana_sync/ws/handshake.h"
#include "support/run_loop_until.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

const std::string kHandshake =
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

// How many sessions there are, and were.
struct Tally {
  int made = 0;
  int opened = 0;
  int closed = 0;
  int destroyed = 0;
};

class EchoSession final : public Session {
 public:
  explicit EchoSession(Tally& tally) : tally_(tally) { ++tally_.made; }
  ~EchoSession() override { ++tally_.destroyed; }
  void on_open(Connection& connection) override {
    ++tally_.opened;
    connection_ = &connection;
    connection.send_text("hello");
  }
  void on_text(std::string_view text) override { connection_->send_text(text); }
  void on_closed() override { ++tally_.closed; }

 private:
  Tally& tally_;
  Connection* connection_ = nullptr;
};

class UpgradeTest : public net::NetTest, public http::Handler {
 protected:
  UpgradeTest() : shared_(*loop_) {
    http::ServerOptions options;
    options.listen_address = "127.0.0.1";
    options.port = 0;
    options.connections_max = 10;
    auto server = http::Server::start(*loop_, *this, std::move(options));
    EXPECT_TRUE(server.has_value());
    server_ = std::move(*server);
  }
  ~UpgradeTest() override {
    server_->abort_all();
    run_until([&] { return server_->drained(); });
    EXPECT_EQ(tally_.opened, tally_.closed);
    EXPECT_EQ(tally_.made, tally_.destroyed);
  }

  std::optional<http::Response> on_head(http::Request&) override { return std::nullopt; }
  void on_request(http::Request& request, http::Responder responder) override {
    auto answer = answer_handshake(request);
    if (!answer) {
      responder.respond(std::move(answer.error()));
      return;
    }
    responder.upgrade(std::move(*answer),
                      std::make_unique<Connection>(shared_, std::make_unique<EchoSession>(tally_)));
  }
  void on_answer(const http::Request*, const http::Response& response, int64_t) override {
    last_status_ = response.status;
  }

  net::Peer& dial() {
    net::Descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    peers_.push_back(std::make_unique<net::Peer>(std::move(fd)));
    return *peers_.back();
  }
  void run_until(const std::function<bool()>& done) {
    const auto pump = [this] {
      for (const auto& peer : peers_) {
        if (peer->fd.get() >= 0) peer->read();
      }
    };
    run_loop_until(*loop_, pump, done);
  }
  // Reads until what came ends so; returns it.
  std::string receive_up_to(net::Peer& peer, std::string_view end) {
    run_until([&] { return peer.received.ends_with(end) || peer.is_finished; });
    return std::exchange(peer.received, {});
  }

  Tally tally_;
  int last_status_ = 0;
  Shared shared_;
  std::vector<std::unique_ptr<net::Peer>> peers_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(UpgradeTest, OpensAfterTheHandshake) {  // RFC 6455 §4.2.2
  net::Peer& peer = dial();
  peer.write(kHandshake);
  const std::string answer = receive_up_to(peer, server_frame(1, "hello"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nUpgrade: websocket\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nConnection: Upgrade\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string::npos);
  EXPECT_EQ(answer.find("Content-Length"), std::string::npos);
  EXPECT_EQ(last_status_, 101);
  EXPECT_EQ(server_->connection_count(), 1u);

  peer.write(text("a"));
  EXPECT_EQ(receive_up_to(peer, "a"), server_frame(1, "a"));
  peer.write(close(1000));
  run_until([&] { return peer.is_finished; });
  EXPECT_EQ(peer.received, server_close(1000));
  peer.fd.close();
  run_until([&] { return server_->drained(); });
}

TEST_F(UpgradeTest, FramesBehindTheHandshakeAreRead) {
  for (const size_t first_bytes : {kHandshake.size() + 3, kHandshake.size() + 100}) {
    net::Peer& peer = dial();
    const std::string bytes = kHandshake + text("early") + text("bird");
    peer.write(bytes.substr(0, first_bytes));
    if (first_bytes < bytes.size()) {
      receive_up_to(peer, server_frame(1, "hello"));
      peer.write(bytes.substr(first_bytes));
    }
    EXPECT_TRUE(
        receive_up_to(peer, "bird").ends_with(server_frame(1, "early") + server_frame(1, "bird")));
  }
}

TEST_F(UpgradeTest, RefusedHandshakeLeavesTheConnectionToHttp) {  // PROTOCOL 6.6
  net::Peer& peer = dial();
  peer.write("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = receive_up_to(peer, "}");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nUpgrade: websocket\r\n"), std::string::npos);
  peer.write(kHandshake);
  EXPECT_TRUE(receive_up_to(peer, "hello").starts_with("HTTP/1.1 101 "));
}

TEST_F(UpgradeTest, ClientThatLeavesDuringTheHandshakeIsForgotten) {
  for (const bool resets : {false, true}) {
    for (int i = 0; i < 20; ++i) {
      net::Peer& peer = dial();
      peer.write(kHandshake);
      if (resets) {
        peer.close_with_reset();
      } else {
        peer.fd.close();
      }
      run_until([&] { return server_->drained(); });
    }
  }
}

TEST_F(UpgradeTest, ShutdownTellsEveryClient) {  // PROTOCOL 6.7
  net::Peer& peer = dial();
  peer.write(kHandshake);
  receive_up_to(peer, "hello");
  server_->begin_shutdown();
  EXPECT_EQ(receive_up_to(peer, "\x03\xe9"), server_close(1001));
  EXPECT_FALSE(server_->drained());
  peer.write(close(1001));
  run_until([&] { return peer.is_finished; });
  peer.fd.close();
  run_until([&] { return server_->drained(); });
}

TEST_F(UpgradeTest, AbortEndsClientsThatDoNotClose) {
  net::Peer& peer = dial();
  peer.write(kHandshake);
  receive_up_to(peer, "hello");
  server_->begin_shutdown();
  receive_up_to(peer, "\x03\xe9");
  server_->abort_all();
  run_until([&] { return server_->drained() && peer.is_finished; });
}

}  // namespace
}  // namespace mana_sync::ws
