#include "json_token.h"

#include <charconv>

namespace mana_sync::sync {
namespace {

// Digits behind the point that PostgreSQL's numeric holds.
constexpr int64_t kScaleMax = 16'383;

constexpr size_t kNpos = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Four hex digits at `text[at]`; -1 if they are not there.
int hex4(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, 4)) {
    int digit;
    if (is_digit(c)) {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

bool is_high_surrogate(int unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}
bool is_low_surrogate(int unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

// The low surrogate escaped at `text[at]`; -1 if there is none.
int low_surrogate(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  const int unit = hex4(text, at + 2);
  return is_low_surrogate(unit) ? unit : -1;
}

void append_utf8(std::string& out, int code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

struct NumberParts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::string_view exponent;  // with its sign
};

// nullopt: not RFC 8259's grammar.
std::optional<NumberParts> split_number(std::string_view text) {
  NumberParts parts;
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return text.substr(begin, at - begin);
  };
  if (at < text.size() && text[at] == '-') {
    parts.negative = true;
    ++at;
  }
  parts.whole = digits();
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole[0] == '0')) return std::nullopt;
  if (at < text.size() && text[at] == '.') {
    ++at;
    parts.fraction = digits();
    if (parts.fraction.empty()) return std::nullopt;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const size_t begin = ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits().empty()) return std::nullopt;
    parts.exponent = text.substr(begin, at - begin);
  }
  if (at != text.size()) return std::nullopt;
  return parts;
}

// 0 if there is none. REQUIRES: the number is in range, so that its exponent is too.
int64_t exponent_of(const NumberParts& parts) {
  std::string_view digits = parts.exponent;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int64_t exponent = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  return exponent;
}

}  // namespace

bool append_sanitized(std::string& out, std::string_view raw, size_t& replaced) {
  size_t at = 0;
  while (true) {
    const size_t escape = raw.find('\\', at);
    out.append(raw, at, escape - at);
    if (escape == kNpos) return true;
    if (escape + 1 >= raw.size()) return false;
    at = escape + 2;
    if (raw[escape + 1] != 'u') {
      if (std::string_view("\"\\/bfnrt").find(raw[escape + 1]) == kNpos) {
        return false;
      }
      out.append(raw, escape, 2);
      continue;
    }
    const int unit = hex4(raw, at);
    if (unit < 0) return false;
    at += 4;
    if (is_high_surrogate(unit) && low_surrogate(raw, at) >= 0) {
      at += 6;
      out.append(raw, escape, 12);
    } else if (unit == 0 || is_high_surrogate(unit) || is_low_surrogate(unit)) {
      out += "\\ufffd";
      ++replaced;
    } else {
      out.append(raw, escape, 6);
    }
  }
}

void append_unescaped(std::string& out, std::string_view sanitized) {
  size_t at = 0;
  while (true) {
    const size_t escape = sanitized.find('\\', at);
    out.append(sanitized, at, escape - at);
    if (escape == kNpos) return;
    at = escape + 2;
    switch (sanitized[escape + 1]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        int code = hex4(sanitized, at);
        at += 4;
        if (is_high_surrogate(code)) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low_surrogate(sanitized, at) - 0xdc00);
          at += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out += sanitized[escape + 1];
    }
  }
}

NumberCheck check_number(std::string_view text) {
  const std::optional<NumberParts> parts = split_number(text);
  if (!parts) return NumberCheck::kMalformed;
  // Up to 300 digits before the point and no exponent: certainly in range.
  if (parts->exponent.empty() && parts->fraction.empty() && parts->whole.size() <= 300) {
    return NumberCheck::kOk;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return NumberCheck::kOutOfRange;
  const bool zero = parts->whole == "0" && parts->fraction.find_first_not_of('0') == kNpos;
  if (value == 0 && !zero) return NumberCheck::kOutOfRange;
  // A zero may carry any exponent, but PostgreSQL would keep a scale of that size.
  if (zero && parts->exponent.size() > 4) return NumberCheck::kOutOfRange;
  const bool fits = static_cast<int64_t>(parts->fraction.size()) - exponent_of(*parts) <= kScaleMax;
  return fits ? NumberCheck::kOk : NumberCheck::kOutOfRange;
}

size_t written_out_size(std::string_view text) {
  const size_t mark = text.find_first_of("eE");
  if (mark == std::string_view::npos) return text.size();
  size_t exponent = 0;
  const char* digits = text.data() + mark + 1;
  if (*digits == '+' || *digits == '-') ++digits;
  std::from_chars(digits, text.data() + text.size(), exponent);
  return text.size() + exponent;
}

std::string canonical_number(std::string_view text) {
  const NumberParts parts = split_number(text).value_or(NumberParts{});
  std::string digits(parts.whole);
  digits += parts.fraction;
  int64_t exponent = exponent_of(parts) - static_cast<int64_t>(parts.fraction.size());
  const size_t first = digits.find_first_not_of('0');
  if (first == kNpos) return "0";
  const size_t last = digits.find_last_not_of('0');
  exponent += static_cast<int64_t>(digits.size() - 1 - last);
  std::string out = parts.negative ? "-" : "";
  out.append(digits, first, last - first + 1);
  out += 'e';
  out += std::to_string(exponent);
  return out;
}

}  // namespace mana_sync::sync
