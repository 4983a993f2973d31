// A real loop with one connection at a time, over a pair of sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::fuzz {

class Wire {
 public:
  enum class Pieces {
    kWhole,   // in one piece
    kRandom,  // in short and long ones, which `bytes` decide, a piece a tick
  };

  Wire();

  // Hands one end to `open`, sends `bytes` from the other, and ends that side when nothing comes
  // back any more. What came back until the connection's end. `is_closed` tells when the server's
  // side is done with the connection. Nothing may be in flight then.
  std::string exchange(std::string_view bytes, Pieces pieces,
                       const std::function<void(int fd)>& open,
                       const std::function<bool()>& is_closed);

  [[nodiscard]] net::Loop& loop() { return *loop_; }

 private:
  ManualClock clock_;
  Metrics metrics_;
  Logger log_{LogLevel::kOff, clock_};
  std::unique_ptr<net::Loop> loop_;
};

}  // namespace mana_sync::fuzz
