// What another process takes, as /proc says.
#pragma once

#include <cstdint>

#include "mana_sync/base/result.h"

namespace mana_sync::loadgen {

struct ProcessStats {
  int64_t resident_bytes = 0;   // VmRSS
  int64_t anonymous_bytes = 0;  // of them, its own memory: RssAnon
  double cpu_s = 0;             // user and system, all threads, since it began

  // Fails (kIo) where there is no such process.
  [[nodiscard]] static Result<ProcessStats> of(int pid);
};

}  // namespace mana_sync::loadgen
