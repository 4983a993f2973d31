// `since` and edit times (PROTOCOL 2.5, 2.6, 5.1, 10.2).
#include <cctype>
#include <optional>
#include <string>

#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::fuzz {
namespace {

// The shape of RFC 3339, without the ranges: `0` is a digit, anything else itself in either case.
bool has_shape(std::string_view text) {
  constexpr std::string_view kDate = "0000-00-00T00:00:00";
  if (text.size() <= kDate.size()) return false;
  const auto is_like = [](char c, char model) {
    if (model == '0') return std::isdigit(static_cast<unsigned char>(c)) != 0;
    return std::toupper(static_cast<unsigned char>(c)) == model || (model == 'T' && c == ' ');
  };
  for (size_t i = 0; i < kDate.size(); ++i) {
    if (!is_like(text[i], kDate[i])) return false;
  }
  text.remove_prefix(kDate.size());
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    size_t digits = 0;
    while (digits < text.size() && is_like(text[digits], '0')) ++digits;
    if (digits < 1 || digits > 9) return false;
    text.remove_prefix(digits);
  }
  if (text.size() == 1) return is_like(text[0], 'Z');
  return text.size() == 6 && (text[0] == '+' || text[0] == '-') && is_like(text[1], '0') &&
         is_like(text[2], '0') && text[3] == ':' && is_like(text[4], '0') && is_like(text[5], '0');
}

void expect_cursor(int64_t us) {
  const std::string cursor = format_cursor_us(us);
  MANA_CHECK(cursor.size() == 27 && has_shape(cursor));
  MANA_CHECK(parse_rfc3339_us(cursor) == us);
  MANA_CHECK(parse_cursor_us(cursor) == (us < 0 ? 0 : us));
}

void expect_order(std::optional<int64_t> first, std::optional<int64_t> second) {
  if (!first || !second) return;
  MANA_CHECK((*first < *second) == (format_cursor_us(*first) < format_cursor_us(*second)));
}

}  // namespace
}  // namespace mana_sync::fuzz

// Each of the first lines of the input is a time.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  std::string_view rest = fuzz::text_of(data, size);
  std::optional<int64_t> before;
  for (int lines = 0; lines < 8 && !rest.empty(); ++lines) {
    const std::string_view text = fuzz::take_line(rest);
    const std::optional<int64_t> us = parse_rfc3339_us(text);
    const std::optional<int64_t> ms = parse_rfc3339_ms(text);
    MANA_CHECK(us.has_value() == ms.has_value());
    MANA_CHECK(parse_cursor_us(text) >= 0);
    if (!us) continue;
    MANA_CHECK(fuzz::has_shape(text));
    MANA_CHECK(*ms * 1000 <= *us && *us < (*ms + 1) * 1000);
    MANA_CHECK(parse_rfc3339_ms(format_time_ms(*ms)) == ms);
    fuzz::expect_cursor(*us);
    fuzz::expect_order(before, us);
    before = us;
  }
  return 0;
}
