// Which endpoint a request is for (PROTOCOL 9.1).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/base/result.h"
#include "mana_sync/http/message.h"

namespace mana_sync::server {

enum class Endpoint { kHealth, kMetrics, kPush, kPull, kFollow, kSocket };
inline constexpr size_t kEndpointCount = 6;

struct Route {
  Endpoint endpoint = Endpoint::kHealth;
  std::optional<std::string> app_id{};  // decoded; nullopt where the path has none
};

// The endpoint at `path`, whatever the method and the app id; nullopt where there is none.
[[nodiscard]] std::optional<Endpoint> find_endpoint(std::string_view path);

// The endpoint that `request`'s path and method name, or the answer where none has to be asked:
// 404, 405 with Allow, 204 with Allow to OPTIONS, or 400 for an app id that PROTOCOL 9.1 does not
// allow.
[[nodiscard]] std::expected<Route, http::Response> find_route(const http::Request& request);

}  // namespace mana_sync::server
