// Readiness of a descriptor that somebody else reads and writes (libpq's socket, a signalfd).
#pragma once

#include <functional>
#include <memory>

#include "mana_sync/net/loop.h"

namespace mana_sync::net {

class FdPoll;

// One-shot: each arm() yields at most one call. One thread.
class FdWatch {
 public:
  // `ready(events)` gets poll(2)'s bits (POLLIN, POLLOUT, POLLERR, POLLHUP).
  using Ready = std::function<void(short events)>;

  FdWatch(Loop& loop, Ready ready);
  // Disarms; `ready` is not called again, even for completions that are under way.
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  // Waits for `events` on `fd`. If armed already for the same descriptor and at least these events:
  // does nothing; otherwise replaces the earlier wait.
  void arm(int fd, short events);
  // REQUIRES: called before the descriptor is closed by its owner.
  void disarm();

 private:
  Loop& loop_;
  std::shared_ptr<const Ready> ready_;
  FdPoll* poll_ = nullptr;  // the loop's; ours to use until orphaned
};

}  // namespace mana_sync::net
