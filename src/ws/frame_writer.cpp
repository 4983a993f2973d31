#include "frame_writer.h"

#include <cstddef>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::ws {
namespace {

constexpr size_t kHeadBytesMax = 10;

void append_big_endian(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
}

void append_head(std::string& out, Opcode opcode, uint64_t payload_bytes) {
  out += static_cast<char>(0x80 | static_cast<uint8_t>(opcode));
  if (payload_bytes < 126) {
    out += static_cast<char>(payload_bytes);
  } else if (payload_bytes <= UINT16_MAX) {
    out += static_cast<char>(126);
    append_big_endian(out, payload_bytes, 2);
  } else {
    out += static_cast<char>(127);
    append_big_endian(out, payload_bytes, 8);
  }
}

}  // namespace

std::string frame_head(Opcode opcode, uint64_t payload_bytes) {
  std::string head;
  append_head(head, opcode, payload_bytes);
  return head;
}

std::string frame(Opcode opcode, std::string_view payload) {
  std::string bytes;
  bytes.reserve(kHeadBytesMax + payload.size());
  append_head(bytes, opcode, payload.size());
  bytes += payload;
  return bytes;
}

std::string close_frame(uint16_t code, std::string_view reason) {
  MANA_CHECK(reason.size() <= limits::kWebSocketReasonBytesMax);
  std::string payload;
  append_big_endian(payload, code, 2);
  payload += reason;
  return frame(Opcode::kClose, payload);
}

}  // namespace mana_sync::ws
