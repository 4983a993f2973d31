#include "stored_insert.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {

bool is_stored_insert(const Change& change, const ChangeRow& row, const CellMap& cells,
                      JsonTree& scratch) {
  if (row.op == Op::kDelete) return false;
  absl::flat_hash_map<std::string_view, uint64_t> pushed;
  for (const Edit& edit : change.edits) {
    if (edit.field != "updatedAt") pushed.emplace(edit.field, edit.value_hash);
  }
  std::string data(row.data);
  const auto stored = scratch.parse(data);
  if (!stored || stored->type() != JsonTree::Type::kObject) return false;
  const int64_t receipt_ms = receipt_time_ms(row.stamp_us);
  bool says_its_receipt = false;
  for (auto member = stored->first(); member; member = member->next()) {
    if (member->key() == "id") continue;
    if (member->key() == "updatedAt") {
      says_its_receipt = member->hash() == hash_of_string(format_time_ms(receipt_ms));
      continue;
    }
    const auto found = pushed.find(member->key());
    if (found == pushed.end() || found->second != member->hash()) return false;
    pushed.erase(found);
  }
  if (row.op == Op::kInsert && !pushed.empty()) return false;
  const bool rest_was_lost = std::ranges::all_of(pushed, [&](const auto& field) {
    const auto cell = cells.find(cell_key(change.table, change.record, field.first));
    return cell != cells.end() && cell->second.time_ms >= receipt_ms;
  });
  return says_its_receipt && rest_was_lost;
}

}  // namespace mana_sync::sync
