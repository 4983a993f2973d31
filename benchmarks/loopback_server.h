// The whole server but PostgreSQL, on a loop of its own: sockets, HTTP, tokens, endpoints, engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "auth/signing.h"
#include "gateway.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "request_rates.h"
#include "support/empty_store.h"

namespace mana_sync::server {

// Commits succeed in the tick that they are handed in. One thread.
class LoopbackServer {
 public:
  LoopbackServer();
  // REQUIRES: all clients have gone.
  ~LoopbackServer();

  [[nodiscard]] net::Loop& loop() { return *loop_; }
  [[nodiscard]] uint16_t port() const { return http_->port(); }
  // Of the user with that number.
  [[nodiscard]] std::string token(int64_t user) const;

 private:
  [[nodiscard]] Health health() const;
  void start_loop();

  const SystemClock clock_;
  Logger log_{LogLevel::kOff, clock_};
  Metrics metrics_;
  const auth::testing::TestKey key_{"key-2024", 7};
  std::unique_ptr<net::Loop> loop_;
  sync::EmptyStore store_;
  sync::Engine engine_;
  auth::Authenticator authenticator_{{}, clock_, metrics_, [] {}};
  std::unique_ptr<Followers> followers_;
  std::unique_ptr<Sockets> sockets_;
  RequestRates rates_{clock_, metrics_, 0};
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> http_;
};

}  // namespace mana_sync::server
