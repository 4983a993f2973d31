#include "routes.h"

#include <simdjson.h>

#include <optional>

#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

struct Target {
  Endpoint endpoint;
  std::optional<std::string_view> app_id{};  // as sent
};

// `/sync/{appId}`, `/sync/{appId}/pull` and `/sync/{appId}/stream`.
std::optional<Target> find_sync_target(std::string_view below) {
  const size_t slash = below.find('/');
  const std::string_view app_id = below.substr(0, slash);
  if (slash == std::string_view::npos) return Target{Endpoint::kPush, app_id};
  const std::string_view rest = below.substr(slash);
  if (rest == "/pull") return Target{Endpoint::kPull, app_id};
  if (rest == "/stream") return Target{Endpoint::kFollow, app_id};
  return std::nullopt;
}

std::optional<Target> find_target(std::string_view path) {
  if (path == "/health") return Target{Endpoint::kHealth};
  if (path == "/metrics") return Target{Endpoint::kMetrics};
  if (path == "/ws") return Target{Endpoint::kSocket};
  constexpr std::string_view kSync = "/sync/";
  if (path.starts_with(kSync)) return find_sync_target(path.substr(kSync.size()));
  constexpr std::string_view kSocket = "/ws/";
  if (!path.starts_with(kSocket)) return std::nullopt;
  const std::string_view app_id = path.substr(kSocket.size());
  if (app_id.find('/') != std::string_view::npos) return std::nullopt;
  return Target{Endpoint::kSocket, app_id};
}

const char* allowed_methods(Endpoint endpoint) {
  return endpoint == Endpoint::kPush ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

// An OPTIONS that is no preflight asks what a path takes (RFC 9110 §9.3.7).
http::Response options_answer(Endpoint endpoint) {
  http::Response answer;
  answer.status = 204;
  answer.headers.emplace_back("Allow", allowed_methods(endpoint));
  return answer;
}

bool allows(Endpoint endpoint, http::Method method) {
  if (endpoint == Endpoint::kPush) return method == http::Method::kPost;
  return method == http::Method::kGet || method == http::Method::kHead;
}

}  // namespace

std::optional<Endpoint> find_endpoint(std::string_view path) {
  const std::optional<Target> target = find_target(path);
  if (!target) return std::nullopt;
  return target->endpoint;
}

std::expected<Route, http::Response> find_route(const http::Request& request) {
  const std::optional<Target> target = find_target(request.path);
  if (!target) return std::unexpected(http::error_response(404, "there is nothing at this path"));
  if (request.method == http::Method::kOptions) {
    return std::unexpected(options_answer(target->endpoint));
  }
  if (!allows(target->endpoint, request.method)) {
    http::Response refusal = http::error_response(405, "this path does not take this method");
    refusal.headers.emplace_back("Allow", allowed_methods(target->endpoint));
    return std::unexpected(std::move(refusal));
  }
  if (!target->app_id) return Route{target->endpoint};
  std::optional<std::string> app_id = http::percent_decode(*target->app_id, false);
  if (!app_id || app_id->empty() || app_id->size() > limits::kAppIdBytesMax ||
      app_id->find('\0') != std::string::npos || !simdjson::validate_utf8(*app_id)) {
    return std::unexpected(http::error_response(
        400, "appId: must be 1 to 255 bytes of UTF-8 without NUL, percent-encoded"));
  }
  return Route{target->endpoint, std::move(*app_id)};
}

}  // namespace mana_sync::server
