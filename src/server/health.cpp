#include "health.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <iterator>

#include "mana_sync/base/spare_strings.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::server {
namespace {

constexpr size_t kBodyBytesReserved = 256;

}  // namespace

http::Response health_answer(const Health& health) {
  const bool is_ready = health.store == store::StoreState::kReady;
  const bool is_standby = health.store == store::StoreState::kStandby;
  http::Response response;
  response.status = is_ready ? 200 : 503;
  if (!is_ready) response.headers.emplace_back("Retry-After", "1");
  std::string& body = response.body.own();
  body = take_spare_string(kBodyBytesReserved);
  fmt::format_to(std::back_inserter(body),
                 FMT_COMPILE(R"({{"status":"{}","service":"mana-sync","timestamp":")"),
                 is_ready     ? "ok"
                 : is_standby ? "standby"
                              : "degraded");
  append_time_ms(body, health.now_us / 1000);
  fmt::format_to(std::back_inserter(body),
                 FMT_COMPILE(R"(","connections":{},"users":{},"database":"{}","version":"{}"}})"),
                 health.connections, health.users, is_ready || is_standby ? "up" : "down",
                 MANA_SYNC_VERSION);
  return response;
}

}  // namespace mana_sync::server
