#include "health.h"

#include <fmt/format.h>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::server {

http::Response health_answer(const Health& health) {
  http::Response response;
  response.status = health.database_up ? 200 : 503;
  if (!health.database_up) response.headers.emplace_back("Retry-After", "1");
  response.body = fmt::format(
      R"({{"status":"{}","service":"mana-sync","timestamp":"{}","connections":{},"users":{},)"
      R"("database":"{}","version":"{}"}})",
      health.database_up ? "ok" : "degraded", format_time_ms(health.now_us / 1000),
      health.connections, health.users, health.database_up ? "up" : "down", MANA_SYNC_VERSION);
  return response;
}

}  // namespace mana_sync::server
