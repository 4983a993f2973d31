// The oracle of the JSON tests: RFC 8259 and PROTOCOL 2.10 as a recursive descent, byte by byte,
// that shares no code with what it checks.
#pragma once

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

namespace mana_sync::sync::testing {

class StrictJson {
 public:
  // Whether `text` is one JSON object or array that a changeset's body might be.
  static bool accepts(std::string_view text) {
    if (!is_utf8(text)) return false;
    StrictJson json(text);
    json.space();
    if (json.peek() != '{' && json.peek() != '[') return false;
    if (!json.value(0)) return false;
    json.space();
    return json.at_ == text.size();
  }

 private:
  explicit StrictJson(std::string_view text) : text_(text) {}

  // 256 at the end.
  [[nodiscard]] int peek() const {
    return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : 256;
  }
  bool eat(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') ++at_;
  }
  bool digits() {
    const size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > begin;
  }

  bool value(int depth) {
    switch (peek()) {
      case '{':
        return depth < 512 && list('}', depth + 1, true);
      case '[':
        return depth < 512 && list(']', depth + 1, false);
      case '"':
        return string();
      case 't':
        return eat("true");
      case 'f':
        return eat("false");
      case 'n':
        return eat("null");
      default:
        return number();
    }
  }

  bool list(char close, int depth, bool named) {
    ++at_;
    space();
    if (eat({&close, 1})) return true;
    while (true) {
      space();
      if (named) {
        if (peek() != '"' || !string()) return false;
        space();
        if (!eat(":")) return false;
        space();
      }
      if (!value(depth)) return false;
      space();
      if (eat({&close, 1})) return true;
      if (!eat(",")) return false;
    }
  }

  bool string() {
    ++at_;
    while (!eat("\"")) {
      if (peek() < 0x20 || peek() == 256) return false;
      if (!eat("\\")) {
        ++at_;
      } else if (eat("u")) {
        for (int i = 0; i < 4; ++i, ++at_) {
          if (peek() == 256 || std::isxdigit(peek()) == 0) return false;
        }
      } else if (peek() == 256 || std::string_view("\"\\/bfnrt").find(text_[at_]) == kNpos) {
        return false;
      } else {
        ++at_;
      }
    }
    return true;
  }

  bool number() {
    const size_t begin = at_;
    eat("-");
    if (!eat("0") && !digits()) return false;
    if (eat(".") && !digits()) return false;
    if (eat("e") || eat("E")) {
      if (!eat("+")) eat("-");
      if (!digits()) return false;
    }
    const std::string token(text_.substr(begin, at_ - begin));
    const double value = std::strtod(token.c_str(), nullptr);
    const std::string mantissa = token.substr(0, token.find_first_of("eE"));
    const bool zero = mantissa.find_first_of("123456789") == std::string::npos;
    // PostgreSQL would keep a zero's exponent as digits behind the point.
    if (zero && token.size() > mantissa.size() + 5) return false;
    return std::isfinite(value) && (value != 0) == !zero;
  }

  static bool is_utf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i]);
      const size_t size = lead < 0x80   ? 1
                          : lead < 0xc2 ? 0
                          : lead < 0xe0 ? 2
                          : lead < 0xf0 ? 3
                          : lead < 0xf5 ? 4
                                        : 0;
      if (size == 0 || i + size > text.size()) return false;
      uint32_t code = size == 1 ? lead : lead & (0x7fU >> size);
      for (size_t j = 1; j < size; ++j) {
        const auto next = static_cast<unsigned char>(text[i + j]);
        if ((next & 0xc0) != 0x80) return false;
        code = code << 6 | (next & 0x3fU);
      }
      if ((size == 3 && code < 0x800) || (size == 4 && code < 0x10000)) return false;
      if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return false;
      i += size;
    }
    return true;
  }

  static constexpr size_t kNpos = std::string_view::npos;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace mana_sync::sync::testing
