// What the WebSockets of one worker share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/ws/connection.h"
#include "message_reader.h"

namespace mana_sync::ws {

enum class End : uint8_t {
  kClient,  // the client began the closing handshake
  kServer,
  kProtocolError,
  kUnsupportedData,
  kInvalidText,
  kTooBig,
  kOverload,  // incomplete messages hold too much memory
  kSilent,    // no answer to a ping
  kStalled,   // nothing was taken for too long
  kVanished,  // the TCP connection ended without a handshake
  kAborted,
};
inline constexpr size_t kEndCount = 11;

struct Shared::Impl {
  Impl(net::Loop& loop_in, size_t unfinished_bytes_max_in);

  std::unique_ptr<MessageReader> take_reader();
  // Keeps it for the next connection if it is idle.
  void give_back(std::unique_ptr<MessageReader> reader);
  void count(End end) { ended[static_cast<size_t>(end)]->add(); }

  net::Loop& loop;
  std::array<Counter*, kEndCount> ended;
  std::vector<std::unique_ptr<MessageReader>> idle_readers;
  const size_t unfinished_bytes_max;
  size_t unfinished_bytes = 0;  // what the readers hold that connections keep
};

}  // namespace mana_sync::ws
