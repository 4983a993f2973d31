#include "head_rules.h"

#include <algorithm>
#include <charconv>

namespace mana_sync::http {
namespace {

constexpr Refusal kBadLine{400, "malformed request line"};
constexpr Refusal kTunnel{400, "CONNECT is not served here"};
constexpr Refusal kBadTarget{400, "malformed request target"};
constexpr Refusal kBadVersion{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
constexpr Refusal kBadHost{400, "Host must be there once and name a host"};
constexpr Refusal kBadLength{400, "malformed Content-Length"};
constexpr Refusal kTwoLengths{400, "more than one Content-Length"};
constexpr Refusal kLengthAndCoding{400, "both Content-Length and Transfer-Encoding"};
constexpr Refusal kBadCoding{400, "the only Transfer-Encoding understood is chunked"};
constexpr Refusal kOldCoding{400, "Transfer-Encoding in HTTP/1.0"};
constexpr Refusal kEncoded{415, "a request must not have a Content-Encoding"};
constexpr Refusal kBadExpectation{417, "the only Expect understood is 100-continue"};

constexpr uint64_t kPortMax = 65'535;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Method method_of(std::string_view name) {
  if (name == "GET") return Method::kGet;
  if (name == "POST") return Method::kPost;
  if (name == "HEAD") return Method::kHead;
  if (name == "OPTIONS") return Method::kOptions;
  return Method::kOther;
}

// The part of an absolute target after its authority; nullopt if it is not one.
std::optional<std::string_view> after_authority(std::string_view target) {
  const size_t scheme_bytes = target.find("://");
  if (scheme_bytes == std::string_view::npos) return std::nullopt;
  const std::string_view scheme = target.substr(0, scheme_bytes);
  if (!equals_ignore_case(scheme, "http") && !equals_ignore_case(scheme, "https")) {
    return std::nullopt;
  }
  target.remove_prefix(scheme_bytes + 3);
  const size_t authority_bytes = std::min(target.find_first_of("/?"), target.size());
  if (!is_valid_host(target.substr(0, authority_bytes))) return std::nullopt;
  return target.substr(authority_bytes);
}

std::optional<Refusal> read_target(std::string_view target, Request& request) {
  if (target.find('#') != std::string_view::npos) return kBadTarget;
  if (!target.starts_with('/') && !(target == "*" && request.method == Method::kOptions)) {
    const auto rest = after_authority(target);
    if (!rest.has_value()) return kBadTarget;
    target = *rest;
  }
  const size_t question_mark = target.find('?');
  request.path = target.substr(0, question_mark);
  if (request.path.empty()) request.path = "/";
  request.query = question_mark == std::string_view::npos ? std::string_view()
                                                          : target.substr(question_mark + 1);
  return std::nullopt;
}

// Digits alone.
std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The headers that have a rule, gathered in one pass.
struct Seen {
  size_t hosts = 0;
  bool host_is_valid = true;
  size_t lengths = 0;
  std::string_view length;
  size_t codings = 0;
  std::string_view coding;
  bool encoded = false;
  bool continues = false;
  bool unknown_expectation = false;
};

void see(std::string_view name, std::string_view value, Seen& seen) {
  // Told apart by length first: nearly every header of a request is none of these.
  switch (name.size()) {
    case 4:
      if (!equals_ignore_case(name, "host")) return;
      ++seen.hosts;
      seen.host_is_valid = is_valid_host(value);
      return;
    case 6:
      if (!equals_ignore_case(name, "expect")) return;
      (equals_ignore_case(value, "100-continue") ? seen.continues : seen.unknown_expectation) =
          true;
      return;
    case 14:
      if (!equals_ignore_case(name, "content-length")) return;
      ++seen.lengths;
      seen.length = value;
      return;
    case 16:
      if (!equals_ignore_case(name, "content-encoding")) return;
      seen.encoded = true;
      return;
    case 17:
      if (!equals_ignore_case(name, "transfer-encoding")) return;
      ++seen.codings;
      seen.coding = value;
      return;
    default:
      return;
  }
}

std::optional<Refusal> read_framing(const Seen& seen, int version_minor, Framing& framing) {
  if (seen.lengths > 0 && seen.codings > 0) return kLengthAndCoding;
  if (seen.lengths > 1) return kTwoLengths;
  if (seen.lengths == 1) {
    const auto length = parse_number(seen.length);
    if (!length.has_value()) return kBadLength;
    framing.content_length = *length;
  }
  if (seen.codings > 0) {
    if (version_minor == 0) return kOldCoding;
    if (seen.codings > 1 || !equals_ignore_case(seen.coding, "chunked")) return kBadCoding;
    framing.chunked = true;
  }
  return std::nullopt;
}

}  // namespace

bool ends_with_version(std::string_view text) {
  if (text.size() < 8) return false;
  const std::string_view version = text.substr(text.size() - 8);
  return version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]);
}

std::optional<Refusal> read_request_line(std::string_view line, Request& request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos) return kBadLine;
  // `GET /`: HTTP/0.9.
  if (first == last && !ends_with_version(line)) return kBadVersion;
  const std::string_view version = line.substr(last + 1);
  if (first == 0 || first + 1 >= last || version.size() != 8 || !ends_with_version(version)) {
    return kBadLine;
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.find_first_of(" \t") != std::string_view::npos) return kBadLine;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return kBadVersion;
  request.version_minor = version.back() - '0';
  request.method_name = line.substr(0, first);
  request.method = method_of(request.method_name);
  if (request.method_name == "CONNECT") return kTunnel;
  return read_target(target, request);
}

std::expected<Framing, Refusal> check_headers(const Request& request) {
  Seen seen;
  for (const auto& [name, value] : request.headers) see(name, value, seen);
  const bool is_old = request.version_minor == 0;
  if (seen.hosts > 1 || (seen.hosts == 0 && !is_old) || !seen.host_is_valid) {
    return std::unexpected(kBadHost);
  }
  Framing framing;
  if (const auto refusal = read_framing(seen, request.version_minor, framing)) {
    return std::unexpected(*refusal);
  }
  if (seen.encoded) return std::unexpected(kEncoded);
  if (seen.unknown_expectation) return std::unexpected(kBadExpectation);
  // RFC 9110 §10.1.1: a 1.0 client cannot mean it.
  framing.expects_continue = seen.continues && !is_old;
  return framing;
}

bool is_valid_host(std::string_view host) {
  std::string_view port;
  size_t name_bytes;
  if (host.starts_with('[')) {
    const size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || bracket < 3) return false;
    name_bytes = bracket + 1;
    if (!std::all_of(host.begin() + 1, host.begin() + static_cast<ptrdiff_t>(bracket), [](char c) {
          return is_digit(c) || c == ':' || c == '.' || (c >= 'a' && c <= 'f') ||
                 (c >= 'A' && c <= 'F');
        })) {
      return false;
    }
  } else {
    name_bytes = std::min(host.find(':'), host.size());
    const std::string_view name = host.substr(0, name_bytes);
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) {
          return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '%';
        })) {
      return false;
    }
  }
  port = host.substr(name_bytes);
  if (port.empty()) return true;
  if (port.front() != ':' || port.size() > 6) return false;
  port.remove_prefix(1);
  if (port.empty()) return true;  // RFC 3986 §3.2.3
  const auto number = parse_number(port);
  return number.has_value() && *number <= kPortMax;
}

}  // namespace mana_sync::http
