// WebSockets on a loop whose clock the test drives, and clients that send exact bytes over real
// sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frames.h"
#include "mana_sync/ws/connection.h"
#include "net_fixture.h"

namespace mana_sync::ws {

// One connection: the client's end, and what its session was told.
struct Link {
  explicit Link(net::Descriptor client) : peer(std::move(client)) {}

  net::Peer peer;
  std::unique_ptr<Connection> connection;
  std::vector<std::string> texts;
  bool is_closed = false;
  int wakes = 0;
  int drains = 0;
  // Called with each text, after it was noted.
  std::function<void(std::string_view)> text_hook;
};

class WsTest : public net::NetTest {
 protected:
  WsTest() : WsTest(limits::kWebSocketUnfinishedBytesMax) {}
  explicit WsTest(size_t unfinished_bytes_max)
      : NetTest(Time::kManual), shared_(std::make_unique<Shared>(*loop_, unfinished_bytes_max)) {}
  ~WsTest() override { abort_all(); }

  // Opens a WebSocket; `echoes`: its session sends back what comes.
  Link& open(bool echoes = false, Options options = {}, int receive_buffer_bytes = 0);

  // Closes all links, and forgets them.
  void abort_all();

  // Runs the loop, and reads at the clients' ends, until `done`; fails after 20 s.
  void run_until(const std::function<bool()>& done);
  // Enough ticks for anything that was going to happen without time passing.
  void run_ticks(int count = 20);
  void let_pass_ms(int64_t ms);
  // Writes `bytes`, in pieces of at most `piece_bytes`, with some ticks between.
  void send(Link& link, std::string_view bytes, size_t piece_bytes = SIZE_MAX);
  // Runs until the client has received that many bytes, or the end.
  std::string receive(Link& link, size_t bytes);
  // Runs until the client has seen the server's end of the connection; all that it received.
  std::string receive_all(Link& link);
  // Ends the client's side, and waits for the end of the server's.
  void finish(Link& link);
  [[nodiscard]] int64_t closed(std::string_view reason) const;

  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Link>> links_;
  bool is_reading_ = true;  // false: run_until() reads nothing at the clients' ends
  int family_ = AF_INET;    // of the connections: AF_INET or AF_UNIX
};

}  // namespace mana_sync::ws
