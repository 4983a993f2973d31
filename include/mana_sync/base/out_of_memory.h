// What becomes of the process when memory runs out: there is nothing better than its end. What
// could be freed is bounded (limits.h) long before, and all that was acknowledged is in PostgreSQL.
#pragma once

namespace mana_sync {

// The exit code of a process without memory.
inline constexpr int kExitOutOfMemory = 3;

// Writes the log line `out_of_memory` and ends the process. Allocates nothing. Any thread.
[[noreturn]] void end_out_of_memory();

// From now on a `new` that fails ends the process so. An allocator with an opinion of its own has
// to be told as well (main.cpp).
void end_when_out_of_memory();

}  // namespace mana_sync
