// `GET /ws/{appId}` and `GET /ws` (PROTOCOL §6): WebSockets over which clients hear of changes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/hub.h"

namespace mana_sync::server {

// One thread.
class Sockets {
 public:
  // All must outlive it. `unauthenticated_max`: sockets that have not shown a token; beyond, no
  // other is opened (503). Registers the metrics mana_sync_websockets….
  Sockets(net::Loop& loop, sync::Hub& hub, auth::Authenticator& authenticator,
          size_t unauthenticated_max = limits::kWebSocketsUnauthenticatedMax);
  // REQUIRES: the HTTP server is gone.
  ~Sockets();
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Answers a request: makes its connection a WebSocket, or says why not. `app_id`: what the socket
  // hears of; nullopt: all apps of whoever authenticates.
  void open(const http::Request& request, std::optional<std::string> app_id,
            const http::Responder& responder);

  // Open ones.
  [[nodiscard]] size_t size() const;

  // Sends all away: another process serves now (close 1012).
  void send_all_away();
  // Sessions whose key is not in `keys` expire (PROTOCOL 1.5).
  void on_keys(const auth::KeySet& keys);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::server
