#include "shared_records.h"

namespace mana_sync::loadgen {

void SharedRecords::edit(std::string_view record, std::string_view value, std::string_view time) {
  cells_.insert_or_assign(std::string(record), Cell{std::string(value), std::string(time)});
}

void SharedRecords::take(std::string_view record, std::string_view value, std::string_view time) {
  const auto found = cells_.find(record);
  if (found == cells_.end() || time >= found->second.time) edit(record, value, time);
}

size_t SharedRecords::differences(const SharedRecords& other) const {
  size_t count = 0;
  for (const auto& [record, cell] : cells_) {
    const auto found = other.cells_.find(record);
    if (found == other.cells_.end() || found->second != cell) ++count;
  }
  for (const auto& [record, cell] : other.cells_) count += !cells_.contains(record);
  return count;
}

}  // namespace mana_sync::loadgen
