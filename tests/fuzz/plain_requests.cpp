#include "plain_requests.h"

#include <algorithm>
#include <cctype>

namespace mana_sync::fuzz {
namespace {

constexpr size_t kHeadBytesMax = 16 * 1024;
constexpr size_t kHeadersMax = 100;
constexpr size_t kNpos = std::string_view::npos;

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 ||
                        std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != kNpos);
  });
}

bool are_all(std::string_view text, int (*kind)(int)) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [&](unsigned char c) { return c < 0x80 && kind(c) != 0; });
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// A line that ends in CR LF and holds neither otherwise, nor another control character but tabs.
std::optional<std::string> take_line(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == kNpos) return std::nullopt;
  const std::string line(bytes.substr(0, end));
  bytes.remove_prefix(end + 2);
  const bool is_clean = std::none_of(line.begin(), line.end(), [](unsigned char c) {
    return (c < 0x20 && c != '\t') || c == 0x7f;
  });
  return is_clean ? std::optional(line) : std::nullopt;
}

bool read_request_line(const std::string& line, PlainRequest& request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == kNpos || first == last) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::string version = line.substr(last + 1);
  if (version != "HTTP/1.0" && version != "HTTP/1.1") return false;
  request.version_minor = version.back() - '0';
  return is_token(request.method) && request.method != "CONNECT" &&
         are_all(request.target, std::isgraph) && request.target.find('#') == kNpos;
}

bool read_header(const std::string& line, PlainRequest& request) {
  const size_t colon = line.find(':');
  if (colon == kNpos || !is_token(line.substr(0, colon))) return false;
  std::string value = line.substr(colon + 1);
  value.erase(0, std::min(value.find_first_not_of(" \t"), value.size()));
  value.erase(value.find_last_not_of(" \t") + 1);
  request.headers.emplace_back(line.substr(0, colon), value);
  return request.headers.size() <= kHeadersMax;
}

std::vector<std::string> values(const PlainRequest& request, std::string_view name) {
  std::vector<std::string> found;
  for (const auto& [key, value] : request.headers) {
    if (lower(key) == name) found.push_back(value);
  }
  return found;
}

bool take_chunks(std::string_view& bytes, std::string& body) {
  while (const auto line = take_line(bytes)) {
    const std::string digits = line->substr(0, line->find(';'));
    if (digits.size() > 16 || !are_all(digits, std::isxdigit)) return false;
    const size_t size = std::stoull(digits, nullptr, 16);
    if (size == 0) break;
    if (bytes.size() < 2 || size > bytes.size() - 2 || bytes.substr(size, 2) != "\r\n")
      return false;
    body += bytes.substr(0, size);
    bytes.remove_prefix(size + 2);
  }
  PlainRequest trailers;
  while (const auto line = take_line(bytes)) {
    if (line->empty()) return true;
    if (!read_header(*line, trailers)) return false;
  }
  return false;
}

bool take_body(std::string_view& bytes, PlainRequest& request) {
  const auto lengths = values(request, "content-length");
  const auto codings = values(request, "transfer-encoding");
  if (lengths.size() + codings.size() > 1) return false;
  if (!codings.empty()) {
    const bool is_chunked = request.version_minor == 1 && lower(codings[0]) == "chunked";
    return is_chunked && take_chunks(bytes, request.body);
  }
  if (lengths.empty()) return true;
  // A length of more digits than any body has: leading zeros.
  const std::string length =
      lengths[0].substr(std::min(lengths[0].find_first_not_of('0'), lengths[0].size()));
  if (length.empty()) return !lengths[0].empty();
  if (length.size() > 18 || !are_all(length, std::isdigit) || std::stoull(length) > bytes.size())
    return false;
  request.body = bytes.substr(0, std::stoull(length));
  bytes.remove_prefix(request.body.size());
  return true;
}

bool has_allowed_headers(const PlainRequest& request) {
  const auto hosts = values(request, "host");
  const auto expectations = values(request, "expect");
  return hosts.size() <= 1 && (request.version_minor == 0 || hosts.size() == 1) &&
         (hosts.empty() || !hosts[0].empty()) && values(request, "content-encoding").empty() &&
         std::all_of(expectations.begin(), expectations.end(),
                     [](const auto& value) { return lower(value) == "100-continue"; });
}

}  // namespace

std::optional<PlainRequest> take_request(std::string_view& bytes) {
  const size_t all_bytes = bytes.size();
  while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  PlainRequest request;
  const auto first = take_line(bytes);
  if (!first || !read_request_line(*first, request)) return std::nullopt;
  for (;;) {
    const auto line = take_line(bytes);
    if (!line) return std::nullopt;
    if (line->empty()) break;
    if (!read_header(*line, request)) return std::nullopt;
  }
  if (all_bytes - bytes.size() > kHeadBytesMax || !has_allowed_headers(request) ||
      !take_body(bytes, request)) {
    return std::nullopt;
  }
  return request;
}

}  // namespace mana_sync::fuzz
