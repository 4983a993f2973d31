// A request as the endpoints see it, and their answer.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mana_sync/base/gathered_text.h"

namespace mana_sync::http {

// ASCII letters alone are folded.
[[nodiscard]] bool equals_ignore_case(std::string_view a, std::string_view b);

enum class Method { kGet, kHead, kPost, kOptions, kOther };

// Where a path leads, as the handler has it (Handler::find_route).
struct Route {
  int endpoint = 0;  // the handler's own number
  // The part of the path that differs from one client to the next, as sent; nullopt: there is none.
  std::optional<std::string_view> parameter{};
};

// Views point into the connection's memory: valid until the request is answered.
struct Request {
  Method method = Method::kOther;
  std::string_view method_name;  // as sent
  std::string_view path;         // before `?`, as sent (still percent-encoded); or `*`
  std::string_view query;        // after `?`, as sent; empty without
  Route route;                   // of `path`
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // in order, names as sent
  int version_minor = 1;                                               // HTTP/1.x
  bool keep_alive = true;
  // on_head says no where nobody looks at the body: it is read, and held nowhere.
  bool keeps_body = true;
  // The whole body, decoded from chunks. An endpoint may move it out; its capacity is at least
  // SIMDJSON_PADDING (64) bytes past its size. Empty in on_head.
  std::string body;
  // What the handler's on_head wants to tell its on_request; let go of when the request is
  // answered.
  std::shared_ptr<const void> context;

  // The first header of that name (case-insensitive).
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // How often that header is there.
  [[nodiscard]] size_t header_count(std::string_view name) const;
};

struct Response {
  int status = 200;
  // Beside Date, Content-Length, Content-Type, Connection and CORS, which the connection writes.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view content_type = "application/json";  // static text
  GatheredText body;
  // Close the connection after this answer.
  bool close = false;
};

// `{"error":"<code>","message":"<message>"}` (PROTOCOL 9.2). `code` is derived from the status:
// bad_request, unauthorized, not_found, method_not_allowed, request_timeout, payload_too_large,
// unsupported_media_type, expectation_failed, headers_too_large, upgrade_required,
// too_many_requests, internal, unavailable, version_not_supported; other statuses use bad_request
// (4xx) or internal. 401 gets `WWW-Authenticate: Bearer`, 429 and 503 `Retry-After: 1`.
[[nodiscard]] std::string_view error_code(int status);
[[nodiscard]] Response error_response(int status, std::string_view message);

// `%41` to `A`; nullopt for a malformed escape. `+` stays a plus in paths and becomes a space in
// queries.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
// The same into `out`, which what is returned points to. REQUIRES: it is as large as `text`.
[[nodiscard]] std::optional<std::string_view> percent_decode(std::string_view text,
                                                             bool plus_is_space,
                                                             std::span<char> out);

// The first value of `name` in a query string, decoded; nullopt if absent or malformed. A name
// without `=` has an empty value. Names are compared decoded.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);
// The same as sent, malformed or not.
[[nodiscard]] std::optional<std::string_view> raw_query_value(std::string_view query,
                                                              std::string_view name);

}  // namespace mana_sync::http
