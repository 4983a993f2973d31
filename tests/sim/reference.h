// Who holds each cell, by PROTOCOL §5, as told by the rows alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "edits.h"
#include "journal.h"
#include "stored_rows.h"

namespace mana_sync::sim {

// What one row says of a cell.
struct CellEntry {
  int64_t stamp_us = 0;
  std::string client_id;
  std::string value;  // canonical JSON
  int64_t time_ms = 0;
  bool is_delete = false;
  // Its edit time is its time of receipt (PROTOCOL 5.8).
  bool is_receipt_timed = false;
};

class Reference {
 public:
  // Fails the run where a row was stored that lost (PROTOCOL 5.4).
  Reference(const sync::testing::StoredRows& rows, Journal& journal);

  struct Cell {
    // Those that won, when they came; the last one is the winner.
    std::vector<CellEntry> winners;
    // Corrections that were stored (PROTOCOL 5.6), which said again what stood.
    std::vector<CellEntry> stored_corrections;
    [[nodiscard]] const CellEntry& winner() const { return winners.back(); }
  };
  [[nodiscard]] const std::map<CellId, Cell>& cells() const { return cells_; }
  // nullptr: nobody wrote it.
  [[nodiscard]] const Cell* find(const CellId& id) const;

 private:
  void fold(const CellId& id, CellEntry entry, Journal& journal);

  std::map<CellId, Cell> cells_;
};

}  // namespace mana_sync::sim
