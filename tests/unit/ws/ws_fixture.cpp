#include "ws_fixture.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "support/run_loop_until.h"

namespace mana_sync::ws {
namespace {

class TestSession final : public Session {
 public:
  TestSession(Link& link, bool echoes) : link_(link), echoes_(echoes) {}

  void on_open(Connection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override {
    EXPECT_FALSE(link_.is_closed);
    link_.texts.emplace_back(text);
    if (link_.text_hook) link_.text_hook(text);
    if (echoes_) connection_->send_text(text);
  }
  void on_binary(std::string_view bytes) override {
    if (echoes_) connection_->send_binary(bytes);
  }
  void on_wake() override { ++link_.wakes; }
  void on_drained() override { ++link_.drains; }
  void on_closed() override {
    EXPECT_FALSE(link_.is_closed);
    link_.is_closed = true;
  }

 private:
  Link& link_;
  const bool echoes_;
  Connection* connection_ = nullptr;
};

std::pair<net::Descriptor, net::Descriptor> unix_pair() {
  std::array<int, 2> fds{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {net::Descriptor(fds[0]), net::Descriptor(fds[1])};
}

}  // namespace

void WsTest::abort_all() {
  for (const auto& link : links_) link->connection->abort();
  run_until([&] {
    return std::all_of(links_.begin(), links_.end(),
                       [](const auto& link) { return link->is_closed; });
  });
  links_.clear();
}

Link& WsTest::open(bool echoes, Options options, int receive_buffer_bytes) {
  auto [server, client] = family_ == AF_UNIX ? unix_pair() : net::connected_pair();
  if (receive_buffer_bytes > 0) {
    ::setsockopt(client.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof(receive_buffer_bytes));
  }
  links_.push_back(std::make_unique<Link>(std::move(client)));
  Link& link = *links_.back();
  link.connection =
      std::make_unique<Connection>(*shared_, std::make_unique<TestSession>(link, echoes), options);
  auto* const socket = net::StreamSocket::adopt(*loop_, server.release(), *link.connection);
  link.connection->on_open(*socket);
  return link;
}

void WsTest::run_until(const std::function<bool()>& done) {
  const auto pump = [this] {
    for (const auto& link : links_) {
      if (is_reading_ && link->peer.fd.get() >= 0) link->peer.read();
    }
  };
  run_loop_until(*loop_, pump, done);
}

void WsTest::run_ticks(int count) {
  run_until([&] { return count-- == 0; });
}

void WsTest::let_pass_ms(int64_t ms) {
  manual_clock_.advance_us(ms * 1000);
  run_ticks();
}

void WsTest::send(Link& link, std::string_view bytes, size_t piece_bytes) {
  while (!bytes.empty()) {
    const size_t written = link.peer.write(bytes.substr(0, piece_bytes));
    bytes.remove_prefix(written);
    if (!bytes.empty()) run_ticks(1);
  }
}

std::string WsTest::receive(Link& link, size_t bytes) {
  run_until([&] {
    return link.peer.received.size() >= bytes || link.peer.is_finished || link.peer.error != 0;
  });
  return std::exchange(link.peer.received, {});
}

std::string WsTest::receive_all(Link& link) {
  run_until([&] { return link.peer.is_finished || link.peer.error != 0; });
  EXPECT_EQ(link.peer.error, 0);
  return std::exchange(link.peer.received, {});
}

void WsTest::finish(Link& link) {
  ::shutdown(link.peer.fd.get(), SHUT_WR);
  run_until([&] { return link.is_closed; });
}

int64_t WsTest::closed(std::string_view reason) const {
  const std::string line = "mana_sync_ws_closed_total{reason=\"" + std::string(reason) + "\"} ";
  const std::string rendered = metrics_.render();
  const size_t at = rendered.find(line);
  return at == std::string::npos ? -1 : std::stoll(rendered.substr(at + line.size()));
}

}  // namespace mana_sync::ws
