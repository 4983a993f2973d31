// Signals as events of the loop (signalfd).
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "mana_sync/net/loop.h"

namespace mana_sync::net {

class Signals {
 public:
  // Blocks `signals` for the process (call before any thread starts) and calls
  // `on_signal(number)` for each that arrives. They stay blocked when this is destroyed, which
  // `on_signal` may do. Fails (kIo) with the name of the system call.
  [[nodiscard]] static Result<std::unique_ptr<Signals>> watch(Loop& loop,
                                                              std::initializer_list<int> signals,
                                                              std::function<void(int)> on_signal);
  virtual ~Signals() = default;
};

}  // namespace mana_sync::net
