// Which endpoint a request is for (PROTOCOL 9.1).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/http/message.h"

namespace mana_sync::server {

// What a path names; kNone: nothing.
enum class Endpoint : int { kNone, kHealth, kMetrics, kPush, kPull, kFollow, kSocket };
inline constexpr size_t kEndpointCount = 7;

// Whatever the method and the app id: the endpoint at `path`, and the app id as its parameter.
[[nodiscard]] http::Route find_route(std::string_view path);

// The functions below take a request with the route that find_route() found for its path.

[[nodiscard]] Endpoint endpoint_of(const http::Request& request);

// The answer where no endpoint has to be asked: 404, 405 with Allow, 204 with Allow to OPTIONS, or
// 400 for an app id that PROTOCOL 9.1 does not allow. nullopt: its endpoint takes the request.
[[nodiscard]] std::optional<http::Response> refuse_route(const http::Request& request);

// The app id, decoded; nullopt where the path has none. REQUIRES: refuse_route() let it through.
[[nodiscard]] std::optional<std::string> app_id_of(const http::Request& request);

}  // namespace mana_sync::server
