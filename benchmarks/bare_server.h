// The least that an answer over io_uring takes: liburing and llhttp, and nothing else.
#pragma once

#include <liburing.h>
#include <llhttp.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace mana_sync {

// Multishot receives into provided buffers, and one send for each request: the same text each time.
// No error is handled, no time limit kept, and a request must come alone. One thread.
class BareServer {
 public:
  explicit BareServer(std::string answer);
  ~BareServer();
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  // Owns the connected descriptor.
  void adopt(int fd);
  // Asked after what has completed was handled, before the next wait.
  void run_until(const std::function<bool()>& done);

 private:
  struct Connection {
    int fd;
    llhttp_t parser;
    BareServer* server;
  };
  static int on_message_complete(llhttp_t* parser);
  void receive(Connection& connection);
  void send_answer(Connection& connection);
  void handle(const io_uring_cqe& completion);
  void return_buffer(unsigned buffer);

  const std::string answer_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::vector<char> buffers_;
  llhttp_settings_t settings_{};
  std::deque<Connection> connections_;
};

}  // namespace mana_sync
