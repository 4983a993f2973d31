// The engine's store over PostgreSQL (ARCHITECTURE §5-§7): a fixed set of connections on the loop,
// group commit on the write connections, bounded reads on the read connections, migrations and the
// lease on one of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mana_sync/net/loop.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::store {

// nullopt if libpq can parse `database_url`, else why not: with the name of a parameter that it
// does not know, and nothing that may be a part of the password.
[[nodiscard]] std::optional<std::string> database_url_error(const std::string& database_url);

struct StoreOptions {
  std::string database_url;   // a libpq URI or keyword string
  int write_connections = 2;  // >= 1
  int read_connections = 3;   // >= 1
};

// How the store stands. A state is told once when it is entered.
enum class StoreState {
  kConnecting,  // no lease, or another process took it: nothing may be stamped
  kStandby,     // another process holds the lease, and serves
  kReady,       // migrated, the lease is held, reads and writes are accepted
  kDown,        // PostgreSQL cannot be reached; the lease is kept up to its high water
};

class StoreEvents {
 public:
  virtual ~StoreEvents() = default;
  virtual void on_store_state(StoreState state) = 0;
  // The lease allows stamps and cursors up to `high_water_us`, microseconds since 1970; it comes
  // again with each renewal. Every stamp must be above `floor_us`: what earlier holders may have
  // handed out. A floor other than the last one's means that another process may have written
  // since: what memory holds of the streams is to be forgotten (PROTOCOL 10.1).
  virtual void on_lease(int64_t floor_us, int64_t high_water_us) = 0;
};

// REQUIRES: not destroyed from within one of its callbacks.
class Store : public sync::StorePort {
 public:
  // Fails (kInvalid) only for what database_url_error() tells of `database_url`. Connecting goes on
  // in the background for ever, with growing delays. `loop` and `events` must outlive the store.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(net::Loop& loop, StoreEvents& events,
                                                           StoreOptions options);

  [[nodiscard]] virtual StoreState state() const = 0;
  // Units and reads that wait or are in flight; 0 when idle.
  [[nodiscard]] virtual size_t pending() const = 0;

  // Tells the newest stamp or cursor handed out, now and then; cheap. Needed only while the wall
  // clock stands behind the floor, so that the high water keeps ahead of the stamps.
  virtual void note_stamp(int64_t last_us) = 0;

  // Ends the lease at `last_us`, the newest stamp or cursor handed out, so that the next start need
  // not begin ahead of the clock, and closes all connections; then calls `done`, within
  // limits::kStoreCloseTimeoutMs.
  // REQUIRES: pending() == 0, or what is pending may be lost.
  virtual void close(int64_t last_us, std::function<void()> done) = 0;
};

}  // namespace mana_sync::store
