// Conflict resolution: field-level last write wins (PROTOCOL §5). Pure: no I/O, no clock but the
// one handed in.
//
// A push is merged in three steps. `find_unknowns` says what must be asked of the store first, and
// `MergeFacts` holds the answer; then `merge` decides edit by edit:
//
//   the cell is empty, the edit is later, or as late and by the same client  -> it wins   (5.2)
//   it says what the winner says                                             -> a repeat  (5.3)
//   it would lose to its own client's receipt-timed winner                   -> it wins, taken at
//                                                                               its receipt (5.8)
//   otherwise                                                                -> it is lost
//
// and what won becomes rows, one a change (5.4).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/base/uuid.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/changeset.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

struct MergeOptions {
  int64_t clock_skew_ms_max = 0;  // PROTOCOL 5.7
};

struct MergeCounters {
  Counter& clamped;  // edit times too far in the future (PROTOCOL 5.7)
};

// Changes of a push that can only be judged with what PostgreSQL holds.
struct Unknowns {
  // Cells whose winner is this client's, of unknown value, and might be what an edit repeats.
  std::vector<CellName> cells;
  std::vector<CellKey> cell_keys;  // of `cells`, in order
  // Inserts without an edit time, of records that exist: perhaps repeats (PROTOCOL 2.7). Indexes
  // into Changeset::changes.
  std::vector<size_t> inserts;
  [[nodiscard]] bool empty() const { return cells.empty() && inserts.empty(); }
};

// What was found out about a push's unknowns.
struct MergeFacts {
  // Inserts that are stored already. Indexes into Changeset::changes, ascending.
  std::vector<size_t> repeated_inserts;
};

// An edit that did not win, and whose cell's winner differs from it.
struct LostEdit {
  size_t change = 0;  // index into Changeset::changes
  size_t edit = 0;    // index into its edits
};

// What a push stores. Owns the text that its rows point to, beside the changeset's arena.
struct Merged {
  std::vector<ChangeRow> rows;  // in stamp order
  std::vector<LostEdit> lost;
  std::deque<std::string> texts;
};

[[nodiscard]] Unknowns find_unknowns(const Changeset& changeset, const CellOverlay& cells);

// Merges `changeset` onto `cells`. Takes one stamp for each row.
// REQUIRES: a stamp is reserved for each change; the facts answer find_unknowns on the same cells.
[[nodiscard]] Merged merge(const Changeset& changeset, const MergeFacts& facts, CellOverlay& cells,
                           Stamps& stamps, UuidGenerator& ids, const MergeOptions& options,
                           MergeCounters counters);

}  // namespace mana_sync::sync
