#include "loopback_server.h"

#include <fmt/format.h>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::server {

LoopbackServer::LoopbackServer()
    : engine_({.cache_bytes_max = 256 * limits::kMiB, .merge = {.clock_skew_ms_max = 300'000}},
              clock_, store_, metrics_) {
  start_loop();
  engine_.grant(0, INT64_MAX);
  authenticator_.on_keys(auth::testing::key_set_of({key_}));
  followers_ = std::make_unique<Followers>(*loop_, engine_);
  sockets_ = std::make_unique<Sockets>(*loop_, engine_.hub(), authenticator_);
  gateway_ = std::make_unique<Gateway>(engine_, authenticator_, *followers_, *sockets_, rates_,
                                       metrics_, [this] { return health(); });
  gateway_->set_store_state(store::StoreState::kReady);
  auto http = http::Server::start(*loop_, *gateway_,
                                  {.listen_address = "127.0.0.1",
                                   .port = 0,
                                   .body_bytes_max = 10 * limits::kMiB,
                                   .connections_max = 1'000,
                                   .cors = http::CorsPolicy::parse("*").value()});
  MANA_CHECK(http.has_value());
  http_ = std::move(*http);
}

LoopbackServer::~LoopbackServer() {
  http_->abort_all();
  loop_->run_until([this] { return http_->drained(); });
}

void LoopbackServer::start_loop() {
  auto loop = net::Loop::create(clock_, log_, metrics_);
  MANA_CHECK(loop.has_value());
  loop_ = std::move(*loop);
  loop_->at_tick_end(net::TickPhase::kHubDrain, [this] { engine_.hub().drain(); });
  loop_->at_tick_end(net::TickPhase::kMerge, [this] { engine_.run(); });
  loop_->at_tick_end(net::TickPhase::kGroupCommit, [this] {
    while (store_.answer_all()) engine_.run();
  });
}

std::string LoopbackServer::token(int64_t user) const {
  return key_.sign(
      fmt::format(R"({{"sub":"3f2c8a7e-5b1d-4c9e-8f60-{:012}","iss":"https://id.example.com",)"
                  R"("aud":"mana-sync","iat":1700000000,"exp":4100000000}})",
                  user));
}

Health LoopbackServer::health() const {
  return {.store = store::StoreState::kReady,
          .connections = http_->connection_count(),
          .users = 0,
          .now_us = clock_.wall_us()};
}

}  // namespace mana_sync::server
