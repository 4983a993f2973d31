#include "mana_sync/base/json_text.h"

namespace mana_sync {
namespace {

bool is_whitespace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void skip_whitespace(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && is_whitespace(text[n])) ++n;
  text.remove_prefix(n);
}

// The length of the string that `text` starts with, quotes included.
size_t string_length(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

// The length of the value that `text` starts with.
size_t value_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text[0] == '"') return string_length(text);
  if (text[0] != '{' && text[0] != '[') {
    const size_t end = text.find_first_of(",]} \t\r\n");
    return end == std::string_view::npos ? text.size() : end;
  }
  size_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        i += string_length(text.substr(i)) - 1;
        break;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return i + 1;
        break;
      default:
        break;
    }
  }
  return text.size();
}

// The length of the UTF-8 sequence that `text` begins with (RFC 3629 §4); 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    // No overlong forms, no surrogates.
    const bool second = continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    return second && continues(2) ? 3 : 0;
  }
  const bool second = continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
  return second && continues(2) && continues(3) ? 4 : 0;
}

bool must_be_escaped(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

void append_escaped(std::string& out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += '\\';
  switch (c) {
    case '\n':
      out += 'n';
      return;
    case '\r':
      out += 'r';
      return;
    case '\t':
      out += 't';
      return;
    case '"':
    case '\\':
      out += c;
      return;
    default:
      out += "u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t written = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (must_be_escaped(c)) {
      out.append(text, written, i - written);
      append_escaped(out, c);
      written = ++i;
    } else if (static_cast<unsigned char>(c) < 0x80) {
      ++i;
    } else if (const size_t length = utf8_length(text.substr(i)); length > 0) {
      i += length;
    } else {
      out.append(text, written, i - written);
      out += "\xef\xbf\xbd";
      written = ++i;
    }
  }
  out.append(text, written);
  out += '"';
}

void append_minified(std::string& out, std::string_view json) {
  size_t written = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') {
      i += string_length(json.substr(i)) - 1;
    } else if (is_whitespace(json[i])) {
      out.append(json, written, i - written);
      written = i + 1;
    }
  }
  out.append(json, written);
}

JsonMembers::JsonMembers(std::string_view json) : rest_(json) {
  skip_whitespace(rest_);
  if (rest_.empty() || rest_[0] != '{') {
    rest_ = {};
  } else {
    rest_.remove_prefix(1);
  }
}

bool JsonMembers::next() {
  const size_t name = rest_.find_first_not_of(" \t\r\n,");
  if (name == std::string_view::npos || rest_[name] != '"') {
    rest_ = {};
    return false;
  }
  rest_.remove_prefix(name);
  const size_t length = string_length(rest_);
  key_ = rest_.substr(1, length - 2);
  rest_.remove_prefix(length);
  const size_t colon = rest_.find(':');
  if (colon == std::string_view::npos) return false;
  rest_.remove_prefix(colon + 1);
  skip_whitespace(rest_);
  value_ = rest_.substr(0, value_length(rest_));
  rest_.remove_prefix(value_.size());
  return true;
}

std::optional<std::string_view> MemberFinder::find(std::string_view key) {
  if (in_order_) {
    if (next_.next() && next_.key() == key) return next_.value();
    in_order_ = false;
    for (JsonMembers members(json_); members.next();) by_key_[members.key()] = members.value();
  }
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> find_member(std::string_view json, std::string_view key) {
  std::optional<std::string_view> found;
  for (JsonMembers members(json); members.next();) {
    if (members.key() == key) found = members.value();
  }
  return found;
}

std::optional<std::string_view> plain_string(std::string_view json) {
  if (json.size() < 2 || json.front() != '"' || json.back() != '"') return std::nullopt;
  json = json.substr(1, json.size() - 2);
  if (json.find('\\') != std::string_view::npos) return std::nullopt;
  return json;
}

}  // namespace mana_sync
