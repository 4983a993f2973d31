// Counts the allocations of the test binary, to show that a path makes none.
#pragma once

#include <cstddef>

namespace mana_sync {

// How often operator new was called so far. Always 0 in a sanitizer build: operator new is the
// sanitizer's there.
[[nodiscard]] size_t allocation_count();

}  // namespace mana_sync
