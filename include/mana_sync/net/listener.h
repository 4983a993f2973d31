// Accepts TCP connections with one multishot accept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mana_sync/net/loop.h"

namespace mana_sync::net {

class Listener {
 public:
  // Owns `fd`, a connected socket with TCP_NODELAY set.
  using OnAccept = std::function<void(int fd)>;

  // Listens on `address` (an IPv4 or IPv6 literal; `::` is dual-stack, both families) and `port`
  // (0: any free one). Where the kernel has no IPv6, `::` falls back to `0.0.0.0`. Fails (kIo) with
  // address and reason; a port in use is waited for, up to kListenRetryMs, in which the thread
  // stands still. Running out of descriptors pauses accepting, a moment at a time, with one log
  // line until the next connection.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> listen(Loop& loop,
                                                                const std::string& address,
                                                                uint16_t port, OnAccept on_accept);
  // Takes over `fd`, a TCP socket that listens already and that somebody else holds too:
  // connections that come while this process does not accept wait there for whoever does. Fails
  // (kInvalid) for anything else; owns `fd` in any case.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> inherit(Loop& loop, int fd,
                                                                 OnAccept on_accept);
  virtual ~Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] virtual uint16_t port() const = 0;
  // Stops and restarts accepting; connections wait in the kernel's queue meanwhile. After pause()
  // returns, no `on_accept` comes until resume().
  virtual void pause() = 0;
  virtual void resume() = 0;
  // Closes the listening socket: new connections are refused, or, of an inherited one, left to who
  // holds it too. What has been accepted by then still comes, until has_ended(). The object stays
  // valid.
  virtual void close() = 0;
  // True once it is closed and no `on_accept` comes any more.
  [[nodiscard]] virtual bool has_ended() const = 0;

 protected:
  Listener() = default;
};

}  // namespace mana_sync::net
