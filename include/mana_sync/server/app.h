// The whole server: owns everything and ties it together (ARCHITECTURE §1).
#pragma once

#include <memory>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/result.h"
#include "mana_sync/server/config.h"

namespace mana_sync::server {

class App {
 public:
  // Listens, and starts to connect to PostgreSQL and to fetch keys. Fails with what cannot be had:
  // kInvalid for a wrong setting, kIo for a port that is taken or a kernel without io_uring.
  // `clock` and `log` must outlive the app.
  [[nodiscard]] static Result<std::unique_ptr<App>> start(const Config& config, const Clock& clock,
                                                          Logger& log);
  virtual ~App() = default;
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Serves until SIGTERM or SIGINT, then stops gracefully: no new connections, what is in flight or
  // on its way is answered (at most limits::kShutdownGraceMs), the lease is given back, clients
  // take their last answers. A second signal ends the process at once.
  virtual void run() = 0;

 protected:
  App() = default;
};

}  // namespace mana_sync::server
