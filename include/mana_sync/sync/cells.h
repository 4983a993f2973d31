// The winners of a stream, cell by cell (PROTOCOL 5.1, ARCHITECTURE §4).
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "mana_sync/base/hash.h"

namespace mana_sync::sync {

// (table, record, field), hashed: 128 bits with a secret seed, so that no two meet.
using CellKey = Hash128;

[[nodiscard]] CellKey cell_key(std::string_view table, std::string_view record,
                               std::string_view field);

// A client id in memory.
[[nodiscard]] uint64_t client_hash(std::string_view client_id);

// The winner of a cell.
struct Cell {
  int64_t time_ms = 0;         // edit time
  uint64_t client = 0;         // client_hash of who wrote it
  uint64_t value_hash = 0;     // Edit::value_hash; 0: unknown since the stream was loaded
  bool receipt_timed = false;  // taken at its time of receipt (PROTOCOL 5.8)
};

using CellMap = absl::flat_hash_map<CellKey, Cell>;

// The winners that a unit under way would leave, on top of those that are stored. Dropped if the
// unit fails, kept if it is committed (ARCHITECTURE §4).
class CellOverlay {
 public:
  explicit CellOverlay(const CellMap& stored) : stored_(&stored) {}

  // nullptr: the cell is empty. Valid until the next set().
  [[nodiscard]] const Cell* find(const CellKey& key) const;
  void set(const CellKey& key, const Cell& cell) { changed_[key] = cell; }
  // Moves what changed into `cells`, the map this was made over.
  void apply_to(CellMap& cells) &&;

 private:
  const CellMap* stored_;
  CellMap changed_;
};

}  // namespace mana_sync::sync
