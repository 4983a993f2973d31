#include "mana_sync/http/message.h"

#include <algorithm>

#include "mana_sync/base/check.h"
#include "mana_sync/base/json_text.h"

namespace mana_sync::http {
namespace {

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

bool equals_ignore_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return to_lower(x) == to_lower(y);
         });
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equals_ignore_case(key, name)) return value;
  }
  return std::nullopt;
}

size_t Request::header_count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto& entry) {
    return equals_ignore_case(entry.first, name);
  }));
}

std::string_view error_code(int status) {
  switch (status) {
    case 401:
      return "unauthorized";
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 408:
      return "request_timeout";
    case 413:
      return "payload_too_large";
    case 415:
      return "unsupported_media_type";
    case 417:
      return "expectation_failed";
    case 426:
      return "upgrade_required";
    case 429:
      return "too_many_requests";
    case 431:
      return "headers_too_large";
    case 503:
      return "unavailable";
    case 505:
      return "version_not_supported";
    default:
      return status < 500 ? "bad_request" : "internal";
  }
}

Response error_response(int status, std::string_view message) {
  Response response;
  response.status = status;
  std::string& body = response.body.own();
  body = "{\"error\":";
  append_json_string(body, error_code(status));
  body += ",\"message\":";
  append_json_string(body, message);
  body += '}';
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out(text.size(), '\0');
  const auto decoded = percent_decode(text, plus_is_space, out);
  if (!decoded) return std::nullopt;
  out.resize(decoded->size());
  return out;
}

std::optional<std::string_view> percent_decode(std::string_view text, bool plus_is_space,
                                               std::span<char> out) {
  MANA_CHECK(out.size() >= text.size());
  size_t size = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out[size++] = static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out[size++] = plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return std::string_view(out.data(), size);
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  const auto value = raw_query_value(query, name);
  return value ? percent_decode(*value, true) : std::nullopt;
}

std::optional<std::string_view> raw_query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::string_view key = pair.substr(0, pair.find('='));
    const bool is_encoded = key.find_first_of("%+") != std::string_view::npos;
    if (key == name || (is_encoded && percent_decode(key, true) == name)) {
      return pair.substr(std::min(key.size() + 1, pair.size()));
    }
  }
  return std::nullopt;
}

}  // namespace mana_sync::http
