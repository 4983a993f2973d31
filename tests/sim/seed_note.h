// A process that dies in a run, by an assertion or a sanitizer, says which seed it was.
#pragma once

#include <cstdint>

namespace mana_sync::sim {

// The run that begins now. The first call takes SIGABRT, SIGSEGV and SIGBUS to print it on stderr.
void note_seed(uint64_t seed);

}  // namespace mana_sync::sim
