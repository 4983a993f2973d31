// What may repeat an earlier push (PROTOCOL 2.2, 2.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/changeset.h"

namespace mana_sync::sync {

// The field in which an insert without a time is told its own.
inline constexpr std::string_view kUpdatedAt = "updatedAt";

// It is taken at its time of receipt, and says so in its data.
[[nodiscard]] inline bool is_timeless_insert(const Change& change) {
  return change.op == Op::kInsert && change.insert_time == InsertTime::kNone;
}

// Whether an edit that claims `time_ms` would be taken at its time of receipt if `winner`, its own
// client's, stood against it; then it may be the very edit that made the winner (PROTOCOL 2.2).
[[nodiscard]] inline bool may_have_made(const Cell& winner, std::optional<int64_t> time_ms) {
  if (time_ms == winner.time_ms) return true;
  return winner.receipt_timed && (!time_ms || *time_ms < winner.time_ms);
}

}  // namespace mana_sync::sync
