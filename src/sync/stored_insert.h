// Recognizing an insert that is stored already (PROTOCOL 2.7).
#pragma once

#include "json_tree.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/changeset.h"

namespace mana_sync::sync {

// Whether `row`, a stored change of the same record by the same client, is `change`, an insert
// without an edit time, as it was stored earlier: whole, or what was left of it (PROTOCOL 5.4).
// Such a row says of itself when it was received: its `updatedAt` is its stamp's receipt time. What
// it lacks was lost to later edits: `cells`, the stream's, hold them.
[[nodiscard]] bool is_stored_insert(const Change& change, const ChangeRow& row,
                                    const CellMap& cells, JsonTree& scratch);

}  // namespace mana_sync::sync
