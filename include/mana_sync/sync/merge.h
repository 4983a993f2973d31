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
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/kept_texts.h"
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

// A cell whose winner the push's client must be told of, since an edit of the push lost to it
// (PROTOCOL 5.6) or was taken at its time of receipt and goes back to it (PROTOCOL 5.9).
struct DisputedCell {
  CellKey key;
  size_t change = 0;  // index into Changeset::changes, of a change of its record
  std::string_view field{};
  // What the push itself left in the cell; nullopt: the winner is an earlier one.
  struct Winner {
    std::string_view value{};  // JSON
    int64_t time_ms = 0;
  };
  std::optional<Winner> winner{};
  // False: after what was lost, its client made another edit, which won at the time that it claims.
  // The client holds that, or what it made next, perhaps in the same millisecond.
  bool is_told = true;
};

// An edit that did not win.
struct LostEdit {
  size_t change = 0;         // index into Changeset::changes
  size_t edit = 0;           // index into its edits
  std::string_view value{};  // JSON; of a delete, its time
  uint64_t value_hash = 0;
  int64_t time_ms = 0;  // that it was taken at
  bool to_own = false;  // to an edit of the same client: no conflict (PROTOCOL 5.5)
  size_t disputed = 0;  // index of its cell into Merged::disputed
};

// What a push stores, and what its client is to be told. Owns the text that its rows and views
// point to, beside the changeset's arena.
struct Merged {
  std::vector<ChangeRow> rows;  // in stamp order
  std::vector<LostEdit> lost;
  std::vector<DisputedCell> disputed;  // distinct cells
  KeptTexts texts;
};

[[nodiscard]] Unknowns find_unknowns(const Changeset& changeset, const CellOverlay& cells);

// Merges `changeset` onto `cells`. Takes one stamp for each row.
// REQUIRES: a stamp is reserved for each change; the facts answer find_unknowns on the same cells.
[[nodiscard]] Merged merge(const Changeset& changeset, const MergeFacts& facts, CellOverlay& cells,
                           Stamps& stamps, UuidGenerator& ids, const MergeOptions& options,
                           MergeCounters counters);

}  // namespace mana_sync::sync
