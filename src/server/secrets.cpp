#include "secrets.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace mana_sync::server {
namespace {

constexpr std::string_view kHidden = "***";
constexpr std::string_view kPassword = "password";

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Parameters of a URL that are shown; their names as they stand, not decoded.
bool is_harmless(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames{"host",
                                                          "hostaddr",
                                                          "port",
                                                          "dbname",
                                                          "user",
                                                          "sslmode",
                                                          "sslrootcert",
                                                          "connect_timeout",
                                                          "target_session_attrs"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// `path?name=value&…#fragment`.
std::string hide_parameters(std::string_view text) {
  if (const size_t fragment = text.find('#'); fragment != std::string_view::npos) {
    return hide_parameters(text.substr(0, fragment)).append("#").append(kHidden);
  }
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("?&", 1), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end);
    const size_t begin = part.find_first_not_of("?&");
    const size_t equals = part.find('=');
    const bool is_shown = equals == std::string_view::npos || begin == std::string_view::npos ||
                          is_harmless(part.substr(begin, equals - begin));
    out += is_shown ? part : part.substr(0, equals + 1);
    if (!is_shown) out += kHidden;
  }
  return out;
}

// A password may hold an @, a / or a ? that should have been encoded: up to the last @, all is. A
// user without one is a token, as a rule, but for PostgreSQL.
std::string without_url_secrets(std::string_view text, size_t authority) {
  const size_t at = text.rfind('@');
  const size_t colon = text.find(':', authority);
  const bool has_password = colon < at;
  if (at == std::string_view::npos || (!has_password && text.starts_with("postgres"))) {
    return std::string(text.substr(0, authority)) + hide_parameters(text.substr(authority));
  }
  const size_t shown = has_password ? colon + 1 : authority;
  return std::string(text.substr(0, shown)).append(kHidden) + hide_parameters(text.substr(at));
}

// The end of a keyword string's value that begins at `begin`.
size_t end_of_value(std::string_view text, size_t begin) {
  const bool is_quoted = begin < text.size() && text[begin] == '\'';
  for (size_t i = begin + is_quoted; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (is_quoted ? text[i] == '\'' : is_space(text[i])) {
      return i + is_quoted;
    }
  }
  return text.size();
}

size_t skip_spaces(std::string_view text, size_t begin) {
  while (begin < text.size() && is_space(text[begin])) ++begin;
  return begin;
}

// The values of all keywords that end in `password`, in any case.
std::string without_keyword_secrets(std::string_view text) {
  const auto is_same_letter = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  };
  std::string out;
  for (;;) {
    const auto found = std::ranges::search(text, kPassword, is_same_letter);
    const size_t name_end = static_cast<size_t>(found.end() - text.begin());
    out += text.substr(0, name_end);
    if (found.empty()) return out;
    const size_t equals = skip_spaces(text, name_end);
    const bool is_name = equals < text.size() && text[equals] == '=';
    const size_t value = is_name ? skip_spaces(text, equals + 1) : name_end;
    out += text.substr(name_end, value - name_end);
    if (is_name) out += kHidden;
    text.remove_prefix(is_name ? end_of_value(text, value) : value);
  }
}

}  // namespace

std::string without_secrets(std::string_view text) {
  const size_t scheme = text.find("://");
  const bool is_url = scheme != std::string_view::npos &&
                      text.find_first_of(" ='") > scheme;  // not a value of a keyword string
  return is_url ? without_url_secrets(text, scheme + 3) : without_keyword_secrets(text);
}

}  // namespace mana_sync::server
