// `GET /sync/{appId}/stream` (PROTOCOL §7): clients that follow a stream by server-sent events.
#pragma once

#include <memory>

#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/engine.h"

namespace mana_sync::server {

// One thread.
class Followers {
 public:
  // Both must outlive it. `output_bytes_max`: what the clients of all may not have taken; beyond,
  // followers wait. Registers the metrics mana_sync_followers….
  Followers(net::Loop& loop, sync::Engine& engine,
            size_t output_bytes_max = limits::kFollowersOutputBytesMax);
  // REQUIRES: the HTTP server is gone.
  ~Followers();
  Followers(const Followers&) = delete;
  Followers& operator=(const Followers&) = delete;

  // Answers a request: at once with the head, then with what `from` asks for, page by page, and
  // then with what is committed, until the client goes, its token expires, or the server stops.
  void follow(sync::PullRequest from, std::shared_ptr<const auth::Identity> identity,
              const http::Responder& responder);

  // Open ones.
  [[nodiscard]] size_t size() const;

  // Ends all answers: another process serves now.
  void send_all_away();
  // Ends those whose key is not in `keys` (PROTOCOL 1.5).
  void on_keys(const auth::KeySet& keys);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::server
