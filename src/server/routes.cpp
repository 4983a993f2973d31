#include "routes.h"

#include <simdjson.h>

#include <array>

#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

constexpr size_t kSentAppIdBytesMax = 3 * limits::kAppIdBytesMax;  // each byte percent-encoded

http::Route route_to(Endpoint endpoint) {
  return {static_cast<int>(endpoint)};
}

http::Route route_to(Endpoint endpoint, std::string_view app_id) {
  return {static_cast<int>(endpoint), app_id};
}

// `/sync/{appId}`, `/sync/{appId}/pull` and `/sync/{appId}/stream`.
http::Route find_sync_route(std::string_view below) {
  const size_t slash = below.find('/');
  const std::string_view app_id = below.substr(0, slash);
  if (slash == std::string_view::npos) return route_to(Endpoint::kPush, app_id);
  const std::string_view rest = below.substr(slash);
  if (rest == "/pull") return route_to(Endpoint::kPull, app_id);
  if (rest == "/stream") return route_to(Endpoint::kFollow, app_id);
  return route_to(Endpoint::kNone);
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

bool is_app_id(std::string_view sent) {
  std::array<char, kSentAppIdBytesMax> buffer;
  if (sent.size() > buffer.size()) return false;
  const std::optional<std::string_view> app_id = http::percent_decode(sent, false, buffer);
  return app_id && !app_id->empty() && app_id->size() <= limits::kAppIdBytesMax &&
         app_id->find('\0') == std::string_view::npos &&
         simdjson::validate_utf8(app_id->data(), app_id->size());
}

}  // namespace

http::Route find_route(std::string_view path) {
  if (path == "/health") return route_to(Endpoint::kHealth);
  if (path == "/metrics") return route_to(Endpoint::kMetrics);
  if (path == "/ws") return route_to(Endpoint::kSocket);
  constexpr std::string_view kSync = "/sync/";
  if (path.starts_with(kSync)) return find_sync_route(path.substr(kSync.size()));
  constexpr std::string_view kSocket = "/ws/";
  if (!path.starts_with(kSocket)) return route_to(Endpoint::kNone);
  const std::string_view app_id = path.substr(kSocket.size());
  if (app_id.find('/') != std::string_view::npos) return route_to(Endpoint::kNone);
  return route_to(Endpoint::kSocket, app_id);
}

Endpoint endpoint_of(const http::Request& request) {
  return static_cast<Endpoint>(request.route.endpoint);
}

std::optional<http::Response> refuse_route(const http::Request& request) {
  const Endpoint endpoint = endpoint_of(request);
  if (endpoint == Endpoint::kNone)
    return http::error_response(404, "there is nothing at this path");
  if (request.method == http::Method::kOptions) return options_answer(endpoint);
  if (!allows(endpoint, request.method)) {
    http::Response refusal = http::error_response(405, "this path does not take this method");
    refusal.headers.emplace_back("Allow", allowed_methods(endpoint));
    return refusal;
  }
  if (request.route.parameter && !is_app_id(*request.route.parameter)) {
    return http::error_response(
        400, "appId: must be 1 to 255 bytes of UTF-8 without NUL, percent-encoded");
  }
  return std::nullopt;
}

std::optional<std::string> app_id_of(const http::Request& request) {
  if (!request.route.parameter) return std::nullopt;
  return http::percent_decode(*request.route.parameter, false);
}

}  // namespace mana_sync::server
