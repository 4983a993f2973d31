#include "journal.h"

#include "mana_sync/base/hash.h"

namespace mana_sync::sim {

void Journal::note(const std::string& line) {
  hash_ = hash64(line, hash_);
  if (print_) fmt::print("{}\n", line);
}

}  // namespace mana_sync::sim
