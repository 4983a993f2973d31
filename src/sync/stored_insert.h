// Recognizing inserts that are stored already (PROTOCOL 2.7).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_tree.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/changeset.h"

namespace mana_sync::sync {

// Stored changes of one client, each read once, that may be inserts without an edit time: whole, or
// what was left of one (PROTOCOL 5.4). Such a row says of itself when it was received: its
// `updatedAt` is its stamp's receipt time.
class StoredInserts {
 public:
  // `rows`: others may be among them, and the same more than once. `scratch` is parsed into.
  StoredInserts(std::span<const ChangeRow> rows, JsonTree& scratch);

  // Whether `insert`, without an edit time and by the same client, is stored. What the row lacks of
  // it was lost to later edits: `cells`, the stream's, hold them.
  [[nodiscard]] bool hold(const Change& insert, const CellTable& cells) const;

 private:
  // What was left of an insert: its fields, and a hash of what each says.
  struct Part {
    int64_t receipt_ms = 0;
    absl::flat_hash_map<std::string, uint64_t> fields;
  };
  struct OfRecord {
    absl::flat_hash_set<Hash128> whole;  // what each whole insert says
    std::vector<Part> parts;
  };

  void add(const ChangeRow& row, JsonTree& scratch);

  absl::flat_hash_map<std::pair<std::string, std::string>, OfRecord> records_;
};

}  // namespace mana_sync::sync
