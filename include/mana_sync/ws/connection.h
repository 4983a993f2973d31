// A WebSocket (RFC 6455, PROTOCOL 6.2, 6.5, 6.7): messages over a connection that left HTTP.
//
// What an idle one costs is this object and its session, one timer, and its socket: the reader of
// frames, with its buffers, is borrowed from `Shared` while a frame or message is incomplete.
// Received frames go through wslay. Sent ones are made by hand, since wslay would need a context
// for each socket, and a server's frame is its payload behind a head of 2 to 10 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/http/upgrade.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/ws/close_code.h"

namespace mana_sync::ws {

class Connection;
class MessageReader;
enum class MessageEvent : uint8_t;
enum class End : uint8_t;  // why a connection was closed, for the metric

// What a WebSocket tells its user. Every call is on the loop's thread, never from within a call of
// the user into the connection.
class Session {
 public:
  virtual ~Session() = default;
  // The first call. `connection` is valid until on_closed() returns, or this is destroyed.
  virtual void on_open(Connection& connection) = 0;
  // A whole message, valid UTF-8; borrowed for the call.
  virtual void on_text(std::string_view text) = 0;
  // A whole message; only with Options::takes_binary.
  virtual void on_binary(std::string_view) {}
  // The kernel has taken all output.
  virtual void on_drained() {}
  // The time given to wake_at() has come. Never once the connection is closing.
  virtual void on_wake() {}
  // The last call, if on_open() was called: the socket is gone.
  virtual void on_closed() = 0;
};

// What the WebSockets of one worker share: readers, and how much they hold. Registers the metric
// mana_sync_ws_closed_total. One thread; outlives the connections.
class Shared {
 public:
  // `loop` must outlive this. `unfinished_bytes_max`: what incomplete messages may hold, of all
  // connections together; beyond: close 1013.
  explicit Shared(net::Loop& loop,
                  size_t unfinished_bytes_max = limits::kWebSocketUnfinishedBytesMax);
  ~Shared();
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

 private:
  friend class Connection;
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// What the conformance server asks for; anybody else takes it as it is.
struct Options {
  bool takes_binary = false;                                     // else: close 1003
  size_t message_bytes_max = limits::kWebSocketMessageBytesMax;  // beyond: close 1009
};

class Connection final : public http::UpgradedConnection {
 public:
  // `shared` must outlive the connection.
  Connection(Shared& shared, std::unique_ptr<Session> session, Options options = {});
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False before on_open() and once either side has begun to close: then nothing is sent any more,
  // and no message comes.
  [[nodiscard]] bool is_open() const { return state_ == State::kOpen; }

  // Queues one message, which leaves at the end of the tick. Ignored unless open. REQUIRES: UTF-8.
  void send_text(std::string_view text);
  // The same, for bytes that many sockets share; large ones are not copied.
  void send_text(SharedBytes text);
  void send_binary(std::string_view bytes);
  // Output that the kernel has not taken yet. While it grows past kWebSocketOutputBytesMax, nothing
  // more is read from the peer; who sends unasked looks here first, and merges what waits.
  [[nodiscard]] size_t pending_bytes() const;

  // Begins the closing handshake, after what was queued. Ignored unless open. REQUIRES: `reason` is
  // UTF-8 of at most kWebSocketReasonBytesMax.
  void close(CloseCode code, std::string_view reason = {});
  // Closes now, without a handshake; what was queued may be lost.
  void abort();

  // Asks for on_wake() at that steady time (Clock::steady_ns), or a little later, in place of any
  // earlier wish; kNever: for none. It shares the connection's one timer.
  static constexpr int64_t kNever = INT64_MAX;
  void wake_at(int64_t due_ns);

  void on_open(net::StreamSocket& socket) override;
  void on_shutdown() override;  // close 1001 (PROTOCOL 6.7)
  void on_receive(std::string_view bytes) override;
  void on_peer_finished() override;
  void on_sent(size_t pending_bytes) override;
  void on_closed() override;

 private:
  //   kNew ─▶ kOpen                       on_open()
  //   kOpen ─▶ kCloseSent ─▶ kLingering   close(), then the peer's close frame
  //   kOpen ─▶ kLingering                 the peer's close frame, or its mistake
  //   kLingering ─▶ kClosing              the peer's end of the TCP connection
  //   any ─▶ kClosing                     the peer vanished, time is up, abort()
  enum class State : uint8_t {
    kNew,
    kOpen,
    kCloseSent,  // our close frame is on its way; the peer's has not come, other frames are ignored
    kLingering,  // our side has ended; input is dropped, so that no reset swallows our last frame
    kClosing,    // nothing more will happen but on_closed()
  };

  [[nodiscard]] bool takes_frames() const;
  void read(std::string_view bytes);
  void take_event(const MessageReader& reader, MessageEvent event);
  void on_close_frame(const MessageReader& reader);
  void keep_reader(std::unique_ptr<MessageReader> reader);
  void drop_reader();

  void send(std::string bytes);
  void bound_output();
  void resume_receive();
  void fail(CloseCode code, End end);
  void leave_open(State state, End end);
  void begin_linger();
  void close_socket();

  [[nodiscard]] int64_t deadline_ns() const;
  void update_timer();
  void on_timer();
  void on_deadline();

  Shared::Impl& shared_;
  const std::unique_ptr<Session> session_;
  const Options options_;
  net::StreamSocket* socket_ = nullptr;
  // There exactly while a frame or a message is incomplete, but not while read() runs.
  std::unique_ptr<MessageReader> reader_;
  size_t counted_bytes_ = 0;  // what reader_ holds, as `shared_` has counted it

  State state_ = State::kNew;
  bool is_receive_paused_ = false;
  bool is_pinged_ = false;  // a ping was sent since the peer was last heard
  bool is_timer_armed_ = false;

  // kOpen: since when the peer is silent (after a ping: since the ping). Then: since when we close.
  int64_t begun_ns_ = 0;
  int64_t sent_ns_ = 0;  // when output last moved, or began to wait
  int64_t wake_ns_ = kNever;
  size_t lingered_bytes_ = 0;
  int64_t timer_due_ns_ = 0;
  net::TimerId timer_;
};

}  // namespace mana_sync::ws
