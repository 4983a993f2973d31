#include "mana_sync/base/timestamp.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace mana_sync {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

constexpr int64_t us_of(std::chrono::year_month_day day) {
  return std::chrono::sys_days(day).time_since_epoch().count() * 86'400 * kSecondUs;
}
constexpr int64_t kFirstUs =
    us_of(std::chrono::year(0) / std::chrono::January / std::chrono::day(1));
constexpr int64_t kLastUs =
    us_of(std::chrono::year(10000) / std::chrono::January / std::chrono::day(1)) - 1;

// Reads a timestamp from left to right; every step fails for good once one did.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // Exactly `digits` digits, at most `max`.
  int number(int digits, int max) {
    int value = 0;
    for (int i = 0; i < digits; ++i) {
      if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') return failed();
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value <= max ? value : failed();
  }

  // One of the characters of `any`; which one.
  char one_of(std::string_view any) {
    if (rest_.empty() || any.find(rest_[0]) == std::string_view::npos) {
      failed();
      return '\0';
    }
    const char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  // `.` and 1-9 digits, if there; as microseconds.
  int fraction_us() {
    if (rest_.empty() || rest_[0] != '.') return 0;
    rest_.remove_prefix(1);
    int value = 0;
    int digits = 0;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      if (digits < 6) value = value * 10 + (rest_[0] - '0');
      ++digits;
      rest_.remove_prefix(1);
    }
    if (digits == 0 || digits > 9) return failed();
    for (; digits < 6; ++digits) value *= 10;
    return value;
  }

  [[nodiscard]] bool complete() const { return ok_ && rest_.empty(); }

 private:
  int failed() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

void put_digits(char* at, int64_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

// `divisor` > 0, rounding towards the past.
constexpr int64_t floor_div(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

// `us` up to the second, and `digits` of `fraction` behind it.
void append_time(std::string& out, int64_t us, int64_t fraction, int digits) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds(us)};
  const sys_days day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time) - day);
  std::array text = std::to_array("0000-00-00T00:00:00.000000");
  put_digits(&text[0], int(date.year()), 4);
  put_digits(&text[5], unsigned(date.month()), 2);
  put_digits(&text[8], unsigned(date.day()), 2);
  put_digits(&text[11], clock.hours().count(), 2);
  put_digits(&text[14], clock.minutes().count(), 2);
  put_digits(&text[17], clock.seconds().count(), 2);
  put_digits(&text[20], fraction, digits);
  const size_t size = 20 + static_cast<size_t>(digits);
  text[size] = 'Z';
  out.append(text.data(), size + 1);
}

}  // namespace

std::optional<int64_t> parse_rfc3339_us(std::string_view text) {
  Reader reader(text);
  const int year = reader.number(4, 9999);
  reader.one_of("-");
  const int month = reader.number(2, 12);
  reader.one_of("-");
  const int day = reader.number(2, 31);
  reader.one_of("Tt ");
  const int hour = reader.number(2, 23);
  reader.one_of(":");
  const int minute = reader.number(2, 59);
  reader.one_of(":");
  const int second = reader.number(2, 60);
  const int fraction_us = reader.fraction_us();
  const char zone = reader.one_of("Zz+-");
  int64_t offset_minutes = 0;
  if (zone == '+' || zone == '-') {
    offset_minutes = reader.number(2, 23) * 60;
    reader.one_of(":");
    offset_minutes += reader.number(2, 59);
    if (zone == '-') offset_minutes = -offset_minutes;
  }
  if (!reader.complete()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  const int64_t seconds = (hour * 60 + minute - offset_minutes) * 60 + second;
  return std::clamp(us_of(date) + seconds * kSecondUs + fraction_us, kFirstUs, kLastUs);
}

std::optional<int64_t> parse_rfc3339_ms(std::string_view text) {
  const std::optional<int64_t> us = parse_rfc3339_us(text);
  if (!us) return std::nullopt;
  return floor_div(*us, 1000);
}

int64_t parse_cursor_us(std::string_view text) {
  // `…+02:00` that was not percent-encoded arrives as `… 02:00`.
  std::string repaired;
  if (const size_t space = text.rfind(' '); space != std::string_view::npos && space > 10) {
    repaired = text;
    repaired[space] = '+';
    text = repaired;
  }
  return std::max<int64_t>(parse_rfc3339_us(text).value_or(0), 0);
}

void append_time_ms(std::string& out, int64_t ms) {
  append_time(out, ms * 1000, ms - floor_div(ms, 1000) * 1000, 3);
}

std::string format_time_ms(int64_t ms) {
  std::string out;
  append_time_ms(out, ms);
  return out;
}

void append_cursor_us(std::string& out, int64_t us) {
  append_time(out, us, us - floor_div(us, kSecondUs) * kSecondUs, 6);
}

std::string format_cursor_us(int64_t us) {
  std::string out;
  append_cursor_us(out, us);
  return out;
}

}  // namespace mana_sync
