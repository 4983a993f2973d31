// What all connections of a run share: the loop, where they lead to, and what outlives them.
#pragma once

#include <cstdint>
#include <memory>
#include <random>

#include "endpoint.h"
#include "mana_sync/base/result.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/stream_socket.h"

namespace mana_sync::loadgen {

// One thread. Destroyed after the channels.
class Network {
 public:
  Network(std::unique_ptr<net::Loop> loop, Endpoint endpoint);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  [[nodiscard]] net::Loop& loop() { return *loop_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  // Steady time now, not at the start of the tick.
  [[nodiscard]] int64_t now_ns() const { return loop_->clock().steady_ns(); }
  [[nodiscard]] std::mt19937_64& random() { return random_; }

  // A socket whose connection is under way: it is writable when that is decided. The caller owns
  // it. Fails (kIo) with the name of the system call.
  [[nodiscard]] Result<int> begin_connect();

 private:
  friend class Channel;

  Endpoint endpoint_;
  std::mt19937_64 random_{std::random_device{}()};
  uint32_t connects_ = 0;
  // What sockets tell their news to, until they are closed. The loop goes first: with it they close
  // without a word.
  SlotMap<net::SocketEvents> links_;
  std::unique_ptr<net::Loop> loop_;
};

// As many descriptors as the process may have; each connection takes one.
void raise_descriptor_limit();

}  // namespace mana_sync::loadgen
