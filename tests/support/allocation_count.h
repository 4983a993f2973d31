// Counts the allocations of the tests and benchmarks that link it, to show that a path makes none,
// or how many.
#pragma once

#include <cstddef>

namespace mana_sync {

// How often the calling thread has called operator new. What C libraries take from malloc is not
// counted. Always 0 in a sanitizer build: operator new is the sanitizer's there.
[[nodiscard]] size_t allocation_count();

}  // namespace mana_sync
