// Connections that leave HTTP (RFC 9110 §7.8), for WebSockets.
#pragma once

#include "mana_sync/net/stream_socket.h"

namespace mana_sync::http {

// What a connection becomes by Responder::upgrade(). The server owns it, goes on to count it among
// its connections, and destroys it right after on_closed(). on_receive() begins with what the
// client sent behind its request. Every call is on the loop's thread.
class UpgradedConnection : public net::SocketEvents {
 public:
  // The first call, once, in the tick after upgrade(); if the client has gone by then, this object
  // is destroyed without a call. `socket` is valid until on_closed() returns; the head of the
  // answer is queued on it already.
  virtual void on_open(net::StreamSocket& socket) = 0;
  // The server stops: tell the client, and close. Who has not when the server's grace has passed is
  // aborted.
  virtual void on_shutdown() = 0;
};

}  // namespace mana_sync::http
