#include "mana_sync/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mana_sync {

void check_failed(const char* what, std::source_location where) {
  std::fprintf(stderr, "{\"level\":\"error\",\"event\":\"bug\",\"message\":\"%s at %s:%u\"}\n",
               what, where.file_name(), where.line());
  std::abort();
}

}  // namespace mana_sync
