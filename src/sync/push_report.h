// What a push is told of the edits that it lost: conflicts (PROTOCOL 5.5), and corrections, which
// bring clients that do not read conflicts to the winners (PROTOCOL 5.6, 5.9).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json_tree.h"
#include "mana_sync/base/kept_texts.h"
#include "mana_sync/base/uuid.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/changeset.h"
#include "mana_sync/sync/merge.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// The winner of a cell.
struct CorrectedCell {
  CellKey key;
  std::string field;
  std::string value;  // JSON without insignificant whitespace
  uint64_t value_hash = 0;
  int64_t time_ms = 0;
  int64_t stamp_us = 0;   // of the row that says so; 0: one of the push itself
  std::string client_id;  // whose row it is
};

// The winners of some cells of one record. Sent as an update.
struct Correction {
  Uuid event_id{};
  std::string table;
  std::string record;
  std::vector<CorrectedCell> cells;
};

struct PushReport {
  StampRange own;                       // of the push's rows
  std::string conflicts;                // entries, as JSON with commas between them
  size_t conflict_count = 0;            // lost edits to report, whether they fit or not
  std::vector<Correction> corrections;  // one a record
};

// The disputed cells whose winners only the store can tell, in order.
[[nodiscard]] std::vector<CellName> cells_to_look_up(const Changeset& changeset,
                                                     const Merged& merged, const CellTable& cells);

// `found` answers cells_to_look_up(). `scratch` is parsed into.
[[nodiscard]] PushReport make_report(const Changeset& changeset, const Merged& merged,
                                     std::vector<std::optional<StoredCell>> found,
                                     JsonTree& scratch, UuidGenerator& ids, int64_t now_us);

// A correction as a change of no client: as it is sent, or stored where it does not fit (PROTOCOL
// 5.6). `texts` keeps what the row points to, beside the correction.
[[nodiscard]] ChangeRow correction_row(const Correction& correction, KeptTexts& texts);

}  // namespace mana_sync::sync
