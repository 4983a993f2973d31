#include "mana_sync/server/app.h"

#include <csignal>
#include <cstdlib>
#include <utility>

#include "gateway.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/signals.h"
#include "mana_sync/server/key_set_refresh.h"
#include "mana_sync/store/store.h"
#include "mana_sync/sync/engine.h"
#include "request_rates.h"
#include "service_manager.h"

namespace mana_sync::server {
namespace {

constexpr int kExitAtSecondSignal = 1;

class Worker final : public App, private store::StoreEvents {
 public:
  Worker(const Config& config, const Clock& clock, Logger& log)
      : config_(config), clock_(clock), log_(log) {}

  // Starts the parts, each after those that it needs.
  Result<void> start() {
    if (auto loop = start_loop(); !loop) return loop;
    if (auto store = start_store(); !store) return store;
    start_engine();
    start_authentication();
    return start_http();
  }

  void run() override {
    tell_service_manager("READY=1");
    loop_->run();
  }

 private:
  // Serving -> Draining at the first signal: requests in flight are finished. Draining -> Closing
  // when none is left or the grace has passed: the lease is given back, and somebody else may
  // serve. Closing -> Leaving: clients take their last answers. Then run() returns.
  enum class State { kServing, kDraining, kClosing, kLeaving };

  Result<void> start_loop() {
    auto loop = net::Loop::create(clock_, log_, metrics_, config_.output_bytes_max);
    if (!loop) return std::unexpected(loop.error());
    loop_ = std::move(*loop);
    auto signals =
        net::Signals::watch(*loop_, {SIGTERM, SIGINT}, [this](int number) { on_signal(number); });
    if (!signals) return std::unexpected(signals.error());
    signals_ = std::move(*signals);
    loop_->at_tick_end(net::TickPhase::kHubDrain, [this] {
      if (engine_) engine_->hub().drain();
    });
    loop_->at_tick_end(net::TickPhase::kMerge, [this] {
      if (!engine_) return;
      engine_->run();
      if (engine_->is_due()) loop_->post([] {});  // the next tick comes at once
      store_->note_stamp(engine_->last_stamp_us());
    });
    loop_->at_tick_end(net::TickPhase::kReclaim, [this] { advance_shutdown(); });
    return {};
  }

  Result<void> start_store() {
    auto store = store::Store::open(*loop_, *this,
                                    {.database_url = config_.database_url,
                                     .write_connections = config_.write_connections,
                                     .read_connections = config_.read_connections});
    if (!store) return fail(store.error().code, "DATABASE_URL: " + store.error().message);
    store_ = std::move(*store);
    return {};
  }

  void start_engine() {
    engine_ = std::make_unique<sync::Engine>(
        sync::EngineOptions{.cache_bytes_max = config_.cache_bytes_max,
                            .merge = {.clock_skew_ms_max = config_.clock_skew_ms_max}},
        clock_, *store_, metrics_);
  }

  void start_authentication() {
    authenticator_ = std::make_unique<auth::Authenticator>(
        auth::ClaimRules{.issuer = config_.jwt_issuer, .audience = config_.jwt_audience}, clock_,
        metrics_, [this] { key_set_refresh_->fetch_now(); });
    key_set_refresh_ = std::make_unique<KeySetRefresh>(
        *loop_, config_.jwks_url, [this](Result<std::shared_ptr<const auth::KeySet>> keys) {
          if (keys) {
            followers_->on_keys(**keys);
            sockets_->on_keys(**keys);
            authenticator_->on_keys(std::move(*keys));
            accept_clients_if_ready();
          } else {
            authenticator_->on_fetch_failed();
          }
        });
  }

  Result<void> start_http() {
    followers_ = std::make_unique<Followers>(*loop_, *engine_);
    sockets_ = std::make_unique<Sockets>(*loop_, engine_->hub(), *authenticator_);
    rates_ = std::make_unique<RequestRates>(clock_, metrics_, config_.user_requests_per_second_max);
    gateway_ = std::make_unique<Gateway>(*engine_, *authenticator_, *followers_, *sockets_, *rates_,
                                         metrics_, [this] { return health(); });
    const Result<int> socket = inherited_socket();
    if (!socket) return std::unexpected(socket.error());
    auto server = http::Server::start(*loop_, *gateway_,
                                      {.listen_address = config_.listen_address,
                                       .port = config_.port,
                                       .inherited_socket = *socket,
                                       .body_bytes_max = config_.body_bytes_max,
                                       .connections_max = config_.connections_max,
                                       .address_connections_max = config_.address_connections_max,
                                       .bodies_bytes_max = config_.bodies_bytes_max,
                                       .cors = config_.cors});
    if (!server) return std::unexpected(server.error());
    http_ = std::move(*server);
    log_.info("listening", {{"address", *socket < 0 ? config_.listen_address : "inherited"},
                            {"port", http_->port()}});
    http_->pause_accepting();
    loop_->after(std::chrono::milliseconds(limits::kStartHoldMs), [this] { accept_clients(); });
    return {};
  }

  [[nodiscard]] Health health() const {
    return {.store = store_->state(),
            .connections = http_->connection_count(),
            .users = engine_->hub().user_count(),
            .now_us = clock_.wall_us()};
  }

  // --- Clients who come early ---

  // A start takes a moment. To a browser's EventSource a 503 would be the end, and everybody else
  // would be sent away for nothing: they wait in the kernel's queue.
  void accept_clients_if_ready() {
    const store::StoreState state = store_->state();
    const bool serves = state == store::StoreState::kReady && authenticator_->has_keys();
    if (serves || state == store::StoreState::kStandby) accept_clients();
  }

  void accept_clients() {
    if (state_ == State::kServing && !std::exchange(accepts_, true)) http_->resume_accepting();
  }

  // --- What the store tells ---

  void on_store_state(store::StoreState state) override {
    if (state != store::StoreState::kReady) engine_->suspend();
    if (!gateway_) return;
    gateway_->set_store_state(state);
    accept_clients_if_ready();
  }

  void on_lease(int64_t floor_us, int64_t high_water_us) override {
    engine_->grant(floor_us, high_water_us);
  }

  // --- Shutdown ---

  void on_signal(int number) {
    if (state_ != State::kServing) std::_Exit(kExitAtSecondSignal);
    log_.info("stopping", {{"signal", number}});
    tell_service_manager("STOPPING=1");
    state_ = State::kDraining;
    http_->begin_shutdown();
    loop_->after(std::chrono::milliseconds(limits::kShutdownGraceMs), [this] {
      log_.warn("shutdown_grace_passed", {{"connections", http_->connection_count()}});
      grace_passed_ = true;
      http_->abort_all();
    });
  }

  // At the end of each tick.
  void advance_shutdown() {
    if (state_ == State::kDraining) {
      const bool is_finished = http_->is_quiet() && store_->pending() == 0;
      if (!is_finished && !grace_passed_) return;
      state_ = State::kClosing;
      store_->close(engine_->last_stamp_us(), [this] { state_ = State::kLeaving; });
    } else if (state_ == State::kLeaving && (http_->drained() || grace_passed_)) {
      log_.info("stopped");
      loop_->stop();
    }
  }

  const Config config_;
  const Clock& clock_;
  Logger& log_;
  Metrics metrics_;
  State state_ = State::kServing;
  bool accepts_ = false;
  bool grace_passed_ = false;
  // Destroyed in reverse: who uses a part goes before it.
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Signals> signals_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<sync::Engine> engine_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<KeySetRefresh> key_set_refresh_;
  std::unique_ptr<Followers> followers_;
  std::unique_ptr<Sockets> sockets_;
  std::unique_ptr<RequestRates> rates_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> http_;
};

}  // namespace

Result<std::unique_ptr<App>> App::start(const Config& config, const Clock& clock, Logger& log) {
  auto worker = std::make_unique<Worker>(config, clock, log);
  if (auto started = worker->start(); !started) return std::unexpected(started.error());
  return worker;
}

}  // namespace mana_sync::server
