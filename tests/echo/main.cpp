// A WebSocket echo server over the connection code of mana-sync: what a conformance suite, or
// another implementation's client, can be pointed at.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/signals.h"
#include "mana_sync/ws/connection.h"
#include "mana_sync/ws/handshake.h"

namespace mana_sync {
namespace {

class EchoSession final : public ws::Session {
 public:
  void on_open(ws::Connection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override { connection_->send_text(text); }
  void on_binary(std::string_view bytes) override { connection_->send_binary(bytes); }
  void on_closed() override {}

 private:
  ws::Connection* connection_ = nullptr;
};

class EchoHandler final : public http::Handler {
 public:
  EchoHandler(net::Loop& loop, ws::Options options) : shared_(loop), options_(options) {}

  std::optional<http::Response> on_head(http::Request&) override { return std::nullopt; }
  void on_request(http::Request& request, http::Responder responder) override {
    auto answer = ws::answer_handshake(request);
    if (!answer) {
      responder.respond(std::move(answer.error()));
    } else {
      responder.upgrade(
          std::move(*answer),
          std::make_unique<ws::Connection>(shared_, std::make_unique<EchoSession>(), options_));
    }
  }
  void on_answer(const http::Request*, const http::Response&, int64_t) override {}

 private:
  ws::Shared shared_;
  const ws::Options options_;
};

int run(uint16_t port, ws::Options options) {
  const SystemClock clock;
  Logger log(LogLevel::kWarn, clock);
  Metrics metrics;
  auto loop = net::Loop::create(clock, log, metrics);
  if (!loop) {
    fmt::print(stderr, "{}\n", loop.error().message);
    return 1;
  }
  auto signals = net::Signals::watch(**loop, {SIGINT, SIGTERM}, [&loop](int) { (*loop)->stop(); });
  EchoHandler handler(**loop, options);
  http::ServerOptions server_options;
  server_options.listen_address = "127.0.0.1";
  server_options.port = port;
  server_options.connections_max = limits::kConnectionsMaxDefault;
  auto server = http::Server::start(**loop, handler, std::move(server_options));
  if (!signals || !server) {
    fmt::print(stderr, "{}\n", !signals ? signals.error().message : server.error().message);
    return 1;
  }
  fmt::print("listening on 127.0.0.1:{}\n", (*server)->port());
  std::fflush(stdout);
  (*loop)->run();
  return 0;
}

}  // namespace
}  // namespace mana_sync

int main(int argc, char** argv) {
  CLI::App app("Echoes WebSocket messages, text and binary, on 127.0.0.1.");
  uint16_t port = 9001;
  mana_sync::ws::Options options;
  options.takes_binary = true;
  app.add_option("--port", port, "0: any free one")->capture_default_str();
  app.add_option("--max-message-bytes", options.message_bytes_max, "Close larger ones with 1009")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return mana_sync::run(port, options);
}
