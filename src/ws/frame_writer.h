// A server's frames: whole messages, unmasked (RFC 6455 §5.1, §5.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mana_sync/ws/frame_reader.h"

namespace mana_sync::ws {

// The head of a frame that `payload_bytes` are to follow.
[[nodiscard]] std::string frame_head(Opcode opcode, uint64_t payload_bytes);
[[nodiscard]] std::string frame(Opcode opcode, std::string_view payload);
// REQUIRES: `reason` is at most kWebSocketReasonBytesMax bytes.
[[nodiscard]] std::string close_frame(uint16_t code, std::string_view reason);

}  // namespace mana_sync::ws
