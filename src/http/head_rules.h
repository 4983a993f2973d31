// What a complete head must keep beyond its syntax (PROTOCOL 9.3; RFC 9112 §3, §6).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "mana_sync/http/message.h"
#include "refusal.h"

namespace mana_sync::http {

// How the body follows its head.
struct Framing {
  bool chunked = false;
  uint64_t content_length = 0;  // of a body that is not chunked
  bool expects_continue = false;

  [[nodiscard]] bool has_body() const { return chunked || content_length > 0; }
};

// Reads `GET /path?query HTTP/1.1` (no line end) into `request`: method, path, query, version. Of
// an absolute target (RFC 9112 §3.2.2) the path is left. Exactly one space between the parts; 400
// for CONNECT, 505 for a version other than 1.0 and 1.1. REQUIRES: a method that is there is a
// token.
[[nodiscard]] std::optional<Refusal> read_request_line(std::string_view line, Request& request);

// Checks Host, Content-Length, Transfer-Encoding, Content-Encoding and Expect.
[[nodiscard]] std::expected<Framing, Refusal> check_headers(const Request& request);

// `host`, `host:port`, `[v6]:port`; not empty; no port over 65535.
[[nodiscard]] bool is_valid_host(std::string_view host);

// Whether `text` ends with `HTTP/` and a version of the form `1.1`.
[[nodiscard]] bool ends_with_version(std::string_view text);

}  // namespace mana_sync::http
