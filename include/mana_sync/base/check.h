// Assertions for our own mistakes, never for input. They stay on in release builds.
#pragma once

#include <source_location>

namespace mana_sync {

// Writes one line with the place and `what` to stderr and aborts. Async-signal-unsafe.
[[noreturn]] void check_failed(const char* what,
                               std::source_location where = std::source_location::current());

}  // namespace mana_sync

#define MANA_CHECK(condition)                                 \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::mana_sync::check_failed("check failed: " #condition); \
  } while (false)
