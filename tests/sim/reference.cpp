#include "reference.h"

#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "wire.h"

namespace mana_sync::sim {

Reference::Reference(const sync::testing::StoredRows& rows, Journal& journal) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const sync::testing::StoredRow& row = rows[i];
    for (JsonMembers time(row.field_timestamps); time.next();) {
      const auto value = find_member(row.data, time.key());
      const auto time_ms = parse_rfc3339_ms(plain_string(time.value()).value_or(""));
      if (!value || !time_ms) {
        journal.fail("a row that does not tell its cells: {} {}", row.data, row.field_timestamps);
        continue;
      }
      fold({row.table, row.record, std::string(time.key())},
           {.stamp_us = row.stamp_us,
            .client_id = row.client_id,
            .value = canonical(*value),
            .time_ms = *time_ms,
            .is_delete = row.op == sync::Op::kDelete,
            .is_receipt_timed = *time_ms == receipt_time_ms(row.stamp_us)},
           journal);
    }
  }
}

// PROTOCOL 5.2.
void Reference::fold(const CellId& id, CellEntry entry, Journal& journal) {
  Cell& cell = cells_[id];
  if (!cell.winners.empty()) {
    const CellEntry& winner = cell.winner();
    const bool same_time = entry.time_ms == winner.time_ms;
    const bool is_correction = entry.client_id.empty() && same_time && entry.value == winner.value;
    if (is_correction) return cell.stored_corrections.push_back(std::move(entry));
    const bool wins =
        entry.time_ms > winner.time_ms || (same_time && entry.client_id == winner.client_id);
    if (!wins) {
      return journal.fail("5.4: {} = {} by {} at {} is stored, and lost to {} by {} at {}",
                          id.text(), entry.value, entry.client_id, entry.time_ms, winner.value,
                          winner.client_id, winner.time_ms);
    }
  }
  cell.winners.push_back(std::move(entry));
}

const Reference::Cell* Reference::find(const CellId& id) const {
  const auto found = cells_.find(id);
  return found == cells_.end() ? nullptr : &found->second;
}

}  // namespace mana_sync::sim
