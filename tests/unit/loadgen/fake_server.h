// A server of the protocol as far as the load generator needs one: it stores nothing, and can be
// told to do wrong. On the loop of whoever it serves.
#pragma once

#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fake_store.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/ws/connection.h"
#include "network.h"
#include "report.h"
#include "scenario.h"

namespace mana_sync::loadgen {

// GET /health: 200. POST /sync/{app}: kept, and a notice of its first table to every WebSocket that
// authenticated with the same token. GET /sync/{app}/pull and /sync/{app}/stream: what was kept.
// GET /ws/{app}: a WebSocket. GET /events: `events`, chunked. GET /close: 200, then the end of the
// connection. Anything else goes to `hook`, or gets 404.
class FakeServer final : public http::Handler, private http::StreamEvents {
 public:
  static constexpr std::string_view kBadToken = "bad";  // refused by WebSockets

  explicit FakeServer(net::Loop& loop) : shared_(loop) {}

  std::optional<http::Response> on_head(http::Request&) override { return std::nullopt; }
  void on_request(http::Request& request, http::Responder responder) override;
  void on_answer(const http::Request*, const http::Response&, int64_t) override {}

  FakeStore store;
  int events_to_repeat = 0;    // the next ones to followers are sent twice
  std::string events;          // of GET /events
  int push_status = 200;       // of each push
  int pushes_to_forget = 0;    // the next ones are kept, and answered 503
  int notices_to_drop = 0;     // the next ones are not sent
  int refused_handshakes = 0;  // the next ones get 503
  std::function<http::Response(const http::Request&)> hook;
  std::vector<std::string> pushes;  // bodies

 private:
  class Session;
  // A follower of a user's stream.
  struct Stream {
    http::StreamedResponse response;
    std::string token;
    std::string client;
    std::string since;
  };

  void on_pull(const http::Request& request, const http::Responder& responder);
  void on_push(const http::Request& request, const http::Responder& responder);
  void on_stream(const http::Request& request, const http::Responder& responder);
  void send_events(Stream& stream);
  void notify(std::string_view token, std::string_view table);
  void on_sent(size_t) override {}
  void on_gone() override {}

  ws::Shared shared_;
  std::vector<Session*> sessions_;
  std::vector<Stream> streams_;
};

class LoadgenTest : public testing::Test {
 protected:
  LoadgenTest();

  // What the scenarios of the test share; `tokens` are the users'.
  RunContext& run_of(std::vector<std::string> tokens, CommonOptions options = {});
  // Runs `scenario` to its end; then report_ has what it found.
  void play(std::unique_ptr<Scenario> scenario);
  void run_until(const std::function<bool()>& done);
  // The figure of that name in report_.
  [[nodiscard]] double figure(std::string_view name) const;

  SystemClock clock_;
  Logger log_{LogLevel::kOff, clock_};
  Metrics metrics_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<FakeServer> fake_;
  std::unique_ptr<http::Server> server_;
  simdjson::dom::parser json_;
  Report report_{"test"};
  std::unique_ptr<RunContext> run_;
};

}  // namespace mana_sync::loadgen
