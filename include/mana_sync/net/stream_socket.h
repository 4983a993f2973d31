// A connected TCP socket on the loop.
//
// At most one receive (multishot, into provided buffers) and one send are in flight. Output gathers
// during a tick and leaves with one sendmsg at its end. Close is: shutdown, wait until nothing is
// in flight, close, then on_closed: only after that is the memory freed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::net {

// What a socket tells its owner. Every call is on the loop's thread, never from within a call of
// the owner into the socket.
class SocketEvents {
 public:
  virtual ~SocketEvents() = default;
  // `bytes` are borrowed for the call.
  virtual void on_receive(std::string_view bytes) = 0;
  // The peer sends no more. The socket can still send.
  virtual void on_peer_finished() = 0;
  // Some output was taken by the kernel; `pending_bytes` still wait.
  virtual void on_sent(size_t pending_bytes) = 0;
  // The last call: the socket is closed (by either side, or an error), and is gone when this
  // returns. The owner may free itself here.
  virtual void on_closed() = 0;
};

class StreamSocket {
 public:
  // Takes over the connected descriptor `fd` (made blocking if it is not) and starts to receive.
  // The loop owns the socket; the pointer is valid until `events.on_closed()` returns. `events`
  // must live as long, or until hand_over(), or until the loop is destroyed.
  static StreamSocket* adopt(Loop& loop, int fd, SocketEvents& events);

  StreamSocket(const StreamSocket&) = delete;
  StreamSocket& operator=(const StreamSocket&) = delete;
  virtual ~StreamSocket() = default;

  // From now on `events` is told, in place of who was told before: first `unread` (bytes that had
  // been received, if any), then what arrives. That the peer finished is told again. Nothing is
  // told before the next tick.
  virtual void hand_over(SocketEvents& events, std::string unread) = 0;

  // Queues bytes; they leave at the end of the tick, in order. Ignored once closing.
  virtual void send(std::string bytes) = 0;
  // As send(), for bytes of which no news is needed: no on_sent need come where the kernel takes
  // them by then, with all that is queued. Cheaper where one socket alone has output: no
  // completion, and no tick for it.
  virtual void send_without_news(std::string bytes) = 0;
  // As send(), without a copy, for bytes that many sockets share. Their owner is let go of when the
  // kernel has taken them, or the socket is closed; small ones are copied, and let go of at once.
  virtual void send_shared(SharedBytes shared) = 0;
  // Output that the kernel has not taken yet.
  [[nodiscard]] virtual size_t pending_bytes() const = 0;

  // Stops and restarts on_receive (back pressure): after pause_receive() returns, no on_receive
  // comes until resume_receive(); bytes that had arrived are delivered then, in order, and after
  // them the news that the peer finished. While bytes wait, a peer that resets the connection is
  // noticed only by sending.
  virtual void pause_receive() = 0;
  virtual void resume_receive() = 0;

  // Sends what is queued, then shuts the sending side down (FIN); receiving goes on.
  virtual void finish_sending() = 0;
  // Sends what is queued, then closes. Input is dropped meanwhile; on_sent still comes.
  virtual void close() = 0;
  // Closes now. With output pending that is lost the peer sees a reset, so that it cannot take a
  // part for the whole; otherwise an orderly end. Only on_closed comes after it.
  virtual void abort() = 0;

 protected:
  StreamSocket() = default;
};

}  // namespace mana_sync::net
