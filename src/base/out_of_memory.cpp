#include "mana_sync/base/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <new>
#include <string_view>

namespace mana_sync {

void end_out_of_memory() {
  constexpr std::string_view kLine =
      R"({"level":"error","event":"out_of_memory","message":"nothing acknowledged is lost"})"
      "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kLine.data(), kLine.size());
  std::_Exit(kExitOutOfMemory);  // runs no destructors: these might allocate
}

void end_when_out_of_memory() {
  std::set_new_handler(end_out_of_memory);
}

}  // namespace mana_sync
