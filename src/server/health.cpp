#include "health.h"

#include <fmt/format.h>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::server {

http::Response health_answer(const Health& health) {
  const bool is_ready = health.store == store::StoreState::kReady;
  const bool is_standby = health.store == store::StoreState::kStandby;
  http::Response response;
  response.status = is_ready ? 200 : 503;
  if (!is_ready) response.headers.emplace_back("Retry-After", "1");
  response.body = fmt::format(
      R"({{"status":"{}","service":"mana-sync","timestamp":"{}","connections":{},"users":{},)"
      R"("database":"{}","version":"{}"}})",
      is_ready     ? "ok"
      : is_standby ? "standby"
                   : "degraded",
      format_time_ms(health.now_us / 1000), health.connections, health.users,
      is_ready || is_standby ? "up" : "down", MANA_SYNC_VERSION);
  return response;
}

}  // namespace mana_sync::server
