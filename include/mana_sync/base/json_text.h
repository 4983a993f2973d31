// JSON as text: writing strings, and walking objects that are known to be valid (PostgreSQL wrote
// them). Input from outside goes through simdjson, never through here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace mana_sync {

// `text` as a JSON string with its quotes; each byte that belongs to no UTF-8 sequence (RFC 3629
// §4) becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// `json` without insignificant whitespace. REQUIRES: valid JSON.
void append_minified(std::string& out, std::string_view json);

// The members of an object, in order:
//
//     for (JsonMembers members(json); members.next();) use(members.key(), members.value());
//
// REQUIRES: `json` is valid JSON. If it is no object, there are no members.
class JsonMembers {
 public:
  explicit JsonMembers(std::string_view json);
  bool next();
  // The name between its quotes, escapes untouched.
  [[nodiscard]] std::string_view key() const { return key_; }
  // The value's text, without whitespace around it.
  [[nodiscard]] std::string_view value() const { return value_; }

 private:
  std::string_view rest_;
  std::string_view key_;
  std::string_view value_;
};

// Finds members of one object by name. Who asks in the order in which they stand walks the object
// once; at the first name out of that order a table of all members is made.
//
// REQUIRES: as JsonMembers.
class MemberFinder {
 public:
  explicit MemberFinder(std::string_view json) : json_(json), next_(json) {}
  // The value of the member whose name, as written, is `key`; of two the last counts, unless both
  // are asked for in order.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key);

 private:
  std::string_view json_;
  JsonMembers next_;
  bool in_order_ = true;
  std::unordered_map<std::string_view, std::string_view> by_key_;  // filled when not in order
};

// The value of the member whose name, as written, is `key`; the last one counts.
[[nodiscard]] std::optional<std::string_view> find_member(std::string_view json,
                                                          std::string_view key);

// What stands between the quotes of a JSON string that has no escapes; nullopt for anything else.
[[nodiscard]] std::optional<std::string_view> plain_string(std::string_view json);

}  // namespace mana_sync
