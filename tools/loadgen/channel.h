// A client's TCP connection, that can be opened again.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mana_sync/net/fd_watch.h"
#include "network.h"

namespace mana_sync::loadgen {

// What a channel tells its owner. Every call is on the loop's thread, never from within a call of
// the owner into the channel.
class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  virtual void on_connected() = 0;
  // `bytes` are borrowed for the call.
  virtual void on_receive(std::string_view bytes) = 0;
  // The connection could not be made, or has ended without close(). The channel can be opened
  // again, or destroyed, from here.
  virtual void on_ended(std::string_view reason) = 0;
};

class Channel {
 public:
  // Both must outlive the channel.
  Channel(Network& network, ChannelEvents& events) : network_(network), events_(events) {}
  ~Channel() { close(); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // REQUIRES: is_closed().
  void open();
  // Ignored unless is_open().
  void send(std::string bytes);
  // Ends the connection at once. No call comes after it.
  void close();
  // The same from within the owner's callbacks, with on_ended(`reason`) as the last of them.
  void fail(std::string_view reason);

  [[nodiscard]] Network& network() const { return network_; }
  [[nodiscard]] bool is_closed() const { return state_ == State::kClosed; }
  [[nodiscard]] bool is_open() const { return state_ == State::kOpen; }

 private:
  // kClosed ─open()─▶ kConnecting ─▶ kOpen; both ─close(), on_ended()─▶ kClosed
  enum class State : uint8_t { kClosed, kConnecting, kOpen };
  class Link;

  void on_decided();

  Network& network_;
  ChannelEvents& events_;
  State state_ = State::kClosed;
  // kConnecting: the socket, or -1 and the timer that tells of the failure.
  int fd_ = -1;
  std::unique_ptr<net::FdWatch> watch_;
  net::TimerId failed_timer_;
  Link* link_ = nullptr;  // kOpen; the network's
};

}  // namespace mana_sync::loadgen
