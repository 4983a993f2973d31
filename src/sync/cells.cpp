#include "mana_sync/sync/cells.h"

namespace mana_sync::sync {
namespace {

// Hashes are compared within one process only.
uint64_t secret_seed() {
  static const uint64_t seed = random_seed();
  return seed;
}

}  // namespace

CellKey cell_key(std::string_view table, std::string_view record, std::string_view field) {
  // Names hold no NUL (PROTOCOL 2.11), so it can stand between them.
  std::string name;
  name.reserve(table.size() + record.size() + field.size() + 2);
  name.append(table).append(1, '\0').append(record).append(1, '\0').append(field);
  return hash128(name, secret_seed());
}

uint64_t client_hash(std::string_view client_id) {
  return hash64(client_id, secret_seed());
}

const Cell* CellOverlay::find(const CellKey& key) const {
  if (const auto changed = changed_.find(key); changed != changed_.end()) return &changed->second;
  const auto stored = stored_->find(key);
  return stored == stored_->end() ? nullptr : &stored->second;
}

void CellOverlay::apply_to(CellMap& cells) && {
  for (const auto& [key, cell] : changed_) cells.insert_or_assign(key, cell);
}

}  // namespace mana_sync::sync
