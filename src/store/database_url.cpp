#include "database_url.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "mana_sync/store/store.h"

namespace mana_sync::store {
namespace {

// What libpq took for something else though it is a part of the password. It would name it when it
// cannot connect, and the log would hold it.
std::optional<std::string> find_misread_password(const PQconninfoOption* options) {
  for (; options->keyword != nullptr; ++options) {
    if (options->val == nullptr) continue;
    const std::string_view name = options->keyword;
    const std::string_view value = options->val;
    if (name == "port" && value.find_first_not_of("0123456789,") != std::string_view::npos) {
      return "the port is not a number; a / or : in the password must be written %2F or %3A";
    }
    // A host's first may be one: a socket in the abstract namespace.
    if ((name == "host" || name == "dbname") && value.find('@', 1) != std::string_view::npos) {
      return "an @ in the host or database; in the password it must be written %40";
    }
  }
  return std::nullopt;
}

// Whether what libpq takes for the name of a parameter may be a part of the password: where a `?`
// in a URI's, or a space in a keyword string's, was not escaped.
bool may_hold_password(const std::string& url, const std::string& name) {
  if (!std::ranges::all_of(name, [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); })) {
    return true;
  }
  if (url.find("://") != std::string::npos) {
    return url.find('@', url.find('?')) != std::string::npos;
  }
  return url.find("password") < url.rfind(name);
}

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    parts.emplace_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::optional<std::string> database_url_error(const std::string& url) {
  char* message = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(url.c_str(), &message);
  if (parsed != nullptr) {
    auto misread = find_misread_password(parsed);
    PQconninfoFree(parsed);
    return misread;
  }
  std::string text = message != nullptr ? message : "out of memory";
  PQfreemem(message);
  while (text.ends_with('\n')) text.pop_back();
  // libpq quotes what it could not parse, which may hold the password.
  const size_t first = text.find('"');
  const size_t last = text.rfind('"');
  if (first == last) return text;
  const std::string quoted = text.substr(first + 1, last - first - 1);
  const bool names_parameter = text.starts_with("invalid URI query parameter:") ||
                               text.starts_with("invalid connection option");
  if (names_parameter && !may_hold_password(url, quoted)) {
    return fmt::format("there is no parameter '{}'", quoted);
  }
  return text.replace(first, last - first + 1, "…");
}

std::map<std::string, std::string> database_hosts_from(const std::string& url, size_t first) {
  std::map<std::string, std::string> lists;
  PQconninfoOption* const options = PQconninfoParse(url.c_str(), nullptr);
  for (const PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr;
       ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val == nullptr) continue;
    if (keyword != "host" && keyword != "hostaddr" && keyword != "port") continue;
    std::vector<std::string> list = split_list(option->val);
    if (list.size() < 2) continue;
    std::ranges::rotate(list, list.begin() + static_cast<std::ptrdiff_t>(first % list.size()));
    std::string& begun_there = lists[std::string(keyword)];
    for (const std::string& part : list) begun_there += (&part == list.data() ? "" : ",") + part;
  }
  PQconninfoFree(options);
  return lists;
}

}  // namespace mana_sync::store
