#include <absl/container/inlined_vector.h>

#include <string>
#include <string_view>

#include "mana_sync/sync/merge.h"
#include "repeats.h"

namespace mana_sync::sync {
namespace {

// Asks memory for the cells of the changes from `first` on; how far it came.
size_t prefetch_changes(const Changeset& changeset, size_t first, const CellOverlay& cells) {
  absl::InlinedVector<CellKey, 2 * CellTable::kPrefetchedMax> keys;
  size_t next = first;
  for (; next < changeset.changes.size() && keys.size() < CellTable::kPrefetchedMax; ++next) {
    const Change& change = changeset.changes[next];
    for (const Edit& edit : change.edits) {
      keys.push_back(cell_key(change.table, change.record, edit.field));
    }
  }
  cells.prefetch(keys);
  return next;
}

}  // namespace

Unknowns find_unknowns(const Changeset& changeset, const CellOverlay& cells) {
  Unknowns unknowns;
  const uint64_t client = client_hash(changeset.client_id);
  size_t prefetched = 0;
  for (size_t i = 0; i < changeset.changes.size(); ++i) {
    if (i == prefetched) prefetched = prefetch_changes(changeset, i, cells);
    const Change& change = changeset.changes[i];
    const auto ask_for = [&](std::string_view field, std::optional<int64_t> time_ms) {
      const CellKey key = cell_key(change.table, change.record, field);
      const std::optional<Cell> winner = cells.find(key);
      if (!winner || winner->client != client || winner->value_hash != 0) return;
      if (!may_have_made(*winner, time_ms)) return;
      unknowns.cells.push_back({std::string(change.table), std::string(change.record),
                                std::string(field), winner->time_ms});
      unknowns.cell_keys.push_back(key);
    };
    // An insert without a time leaves this cell behind, if only its creator's (PROTOCOL 2.7).
    if (is_timeless_insert(change) &&
        cells.find(cell_key(change.table, change.record, kUpdatedAt))) {
      unknowns.inserts.push_back(i);
      ask_for(kUpdatedAt, std::nullopt);
    }
    for (const Edit& edit : change.edits) ask_for(edit.field, edit.time_ms);
  }
  return unknowns;
}

}  // namespace mana_sync::sync
