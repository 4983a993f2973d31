// Scenarios of listeners: how many, how soon told, and what becomes of them when all come back.
#pragma once

#include <memory>

#include "listener.h"
#include "scenario.h"

namespace mana_sync::loadgen {

// Many sockets that are authenticated and then do nothing.
struct IdleOptions {
  size_t sockets = 1'000;
  double opened_per_s = 2'000;  // 0: all at once
  double hold_s = 10;
};
[[nodiscard]] std::unique_ptr<Scenario> make_idle(RunContext& run, const IdleOptions& options);

// Users with listeners, and writers that push at fixed rates: how long each push takes until the
// first and the last listener of its user has heard of it.
struct NotifyOptions {
  size_t users = 1;
  size_t listeners_per_user = 100;
  Listener::Kind kind = Listener::Kind::kWebSocket;
  double pushes_per_s = 20;  // of all users together, each user's in turn
  double seconds = 5;
};
[[nodiscard]] std::unique_ptr<Scenario> make_notify(RunContext& run, const NotifyOptions& options);

// Many sockets that are all cut and come back at once, while the server's health is asked for.
struct StormOptions {
  size_t sockets = 1'000;
  double opened_per_s = 2'000;   // the first time
  double probe_interval_ms = 5;  // between requests for /health
};
[[nodiscard]] std::unique_ptr<Scenario> make_storm(RunContext& run, const StormOptions& options);

}  // namespace mana_sync::loadgen
