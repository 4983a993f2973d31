// `GET /health` (PROTOCOL 8.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "mana_sync/http/message.h"
#include "mana_sync/store/store.h"

namespace mana_sync::server {

struct Health {
  store::StoreState store = store::StoreState::kConnecting;
  size_t connections = 0;  // open client connections
  size_t users = 0;        // users with an open socket
  int64_t now_us = 0;
};

// 200; or 503: `standby` while another process serves, `degraded` while PostgreSQL cannot be
// reached.
[[nodiscard]] http::Response health_answer(const Health& health);

}  // namespace mana_sync::server
