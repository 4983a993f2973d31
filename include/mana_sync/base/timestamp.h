// RFC 3339 timestamps: the protocol's edit times (milliseconds) and cursors (microseconds).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mana_sync {

// Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 date-time: any offset, 0-9 fraction
// digits (digits past the microsecond are cut), `T`/`Z` in either case, a space for `T` (RFC 3339
// §5.6, note), a leap second counts as the second after. Years outside 0000-9999 after the offset
// is applied are clamped to that range. nullopt: not RFC 3339.
[[nodiscard]] std::optional<int64_t> parse_rfc3339_us(std::string_view text);

// As above in milliseconds, finer digits cut towards the past (PROTOCOL 5.1).
[[nodiscard]] std::optional<int64_t> parse_rfc3339_ms(std::string_view text);

// A cursor as clients send it (PROTOCOL 2.5): as parse_rfc3339_us, and a space where a `+` was
// meant. 0, the beginning, if it is anything else or before 1970.
[[nodiscard]] int64_t parse_cursor_us(std::string_view text);

// Of the years 0000 to 9999. `2024-01-01T10:05:30.000Z`, what JavaScript's toISOString writes
// (PROTOCOL 4.1).
[[nodiscard]] std::string format_time_ms(int64_t ms);
void append_time_ms(std::string& out, int64_t ms);

// `2024-01-01T10:06:15.123456Z` (PROTOCOL 10.2).
[[nodiscard]] std::string format_cursor_us(int64_t us);
void append_cursor_us(std::string& out, int64_t us);

// The millisecond at or after `stamp_us`: the receipt time of a change with that stamp
// (PROTOCOL 5.8).
[[nodiscard]] constexpr int64_t receipt_time_ms(int64_t stamp_us) {
  return stamp_us / 1000 + (stamp_us % 1000 > 0 ? 1 : 0);
}

}  // namespace mana_sync
