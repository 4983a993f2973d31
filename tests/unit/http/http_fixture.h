// A server on a loop whose clock the test drives, and clients that send exact bytes over real
// sockets.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::http {

struct Answer {
  int status = 0;
  std::string head;  // with the empty line
  std::map<std::string, std::string> headers;
  std::string body;
};

// One connection's other end; never blocks.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer_bytes = 0);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Takes `bytes` off the front of received().
  void take(size_t bytes) { taken_bytes_ += bytes; }

  // Queues bytes; pump() writes them.
  void send(std::string_view bytes) { unsent_ += bytes; }
  void finish_sending();
  void close_with_reset();
  // Writes and reads what is possible now.
  void pump();
  // False: reads nothing from now on.
  void set_reading(bool reading) { reading_ = reading; }

  // The first whole answer received, removed; `to_head`: it answers a HEAD.
  std::optional<Answer> take_answer(bool to_head = false);

  // What was received and not taken yet.
  [[nodiscard]] std::string_view received() const {
    return std::string_view(received_).substr(taken_bytes_);
  }
  [[nodiscard]] size_t unsent_bytes() const { return unsent_.size() - sent_bytes_; }
  [[nodiscard]] bool saw_end() const { return saw_end_; }
  // errno of what broke the connection; 0 if nothing did.
  [[nodiscard]] int error() const { return error_; }

 private:
  int fd_ = -1;
  bool reading_ = true;
  std::string unsent_;
  size_t sent_bytes_ = 0;  // of unsent_
  std::string received_;
  size_t taken_bytes_ = 0;  // of received_
  bool saw_end_ = false;
  int error_ = 0;
};

// /echo: the body. /later: answered by the test, through `waiting`. /big: 3 MiB of `b`.
// /drop: as /echo, but the body is dropped. /refuse: 401 at the head. /close: closes. /hook: the
// test's own function. Anything else: 404 with the path in it.
class TestHandler final : public Handler {
 public:
  // Its number is the path's length; the parameter is the path.
  [[nodiscard]] Route find_route(std::string_view path) const override;
  std::optional<Response> on_head(Request& request) override;
  void on_request(Request& request, Responder responder) override;
  void on_answer(const Request* request, const Response& response, int64_t duration_ns) override;

  struct Answered {
    int status;
    std::string path;  // empty: the head could not be read
    int64_t duration_ns;
  };
  std::vector<std::string> heads;  // paths that on_head saw
  std::vector<std::string> requests;
  std::vector<Answered> answers;
  std::vector<Responder> waiting;
  std::weak_ptr<void> context;  // of the last request
  std::function<void(Request&, Responder)> hook;
};

class HttpTest : public testing::Test {
 protected:
  HttpTest();
  ~HttpTest() override;

  void start(ServerOptions options);
  static ServerOptions default_options();
  // Closes what is left, and waits until it has gone. For tests with objects that the server calls.
  void stop();

  Client& connect(int receive_buffer_bytes = 0);
  // Runs the loop and all clients until `done`; fails after 20 s.
  void run_until(const std::function<bool()>& done);
  // Enough ticks for anything that was going to happen without time passing.
  void run_ticks(int count = 30);
  void let_pass_ms(int64_t ms);
  // The next whole answer that `client` gets.
  Answer next_answer(Client& client, bool to_head = false);
  // Sends `request`, for /later, and waits until the handler holds it.
  Responder ask(Client& client, const std::string& request);
  // Runs until the server has closed the connection; whatever came before is received.
  void wait_for_end(Client& client);
  Answer exchange(Client& client, std::string_view bytes, bool to_head = false) {
    client.send(bytes);
    return next_answer(client, to_head);
  }
  [[nodiscard]] int64_t refused(std::string_view reason) const;
  // Whether that line, without its end, stands in the registry's text.
  [[nodiscard]] bool has_metric(const std::string& line) const {
    return metrics_.render().find(line + "\n") != std::string::npos;
  }

  ManualClock clock_;
  Metrics metrics_;
  Logger log_{LogLevel::kOff, clock_};
  TestHandler handler_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Client>> clients_;
};

inline const std::string kGet = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
inline const std::string kGetLater = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";
// What the process has allocated; nullopt in sanitizer builds, whose allocator does not tell.
[[nodiscard]] std::optional<size_t> allocated_bytes();

inline const std::string kOrigin = "https://app.example";

[[nodiscard]] Response text_response(std::string body);

}  // namespace mana_sync::http
