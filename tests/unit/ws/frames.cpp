#include "frames.h"

#include <utility>

namespace mana_sync::ws {
namespace {

std::string big_endian(uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string head(int first_byte, int mask_bit, uint64_t length, int length_bytes) {
  if (length_bytes < 0) length_bytes = length < 126 ? 0 : length <= UINT16_MAX ? 2 : 8;
  const uint64_t digit = length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127;
  std::string bytes{static_cast<char>(first_byte)};
  bytes += static_cast<char>(static_cast<uint64_t>(mask_bit) | digit);
  return bytes + big_endian(length, length_bytes);
}

}  // namespace

std::string ClientFrame::bytes() const {
  const int first_byte = (is_final ? 0x80 : 0) | reserved_bits << 4 | opcode;
  std::string out =
      head(first_byte, is_masked ? 0x80 : 0, announced.value_or(payload.size()), length_bytes);
  if (!is_masked) return out + payload;
  out += mask;
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

std::string text(std::string payload) {
  return part(1, std::move(payload), true);
}

std::string part(int opcode, std::string payload, bool is_final) {
  return ClientFrame{.opcode = opcode, .payload = std::move(payload), .is_final = is_final}.bytes();
}

std::string ping(std::string payload) {
  return part(9, std::move(payload), true);
}

std::string close(int code, std::string reason) {
  return raw_close(big_endian(static_cast<uint64_t>(code), 2) + reason);
}

std::string raw_close(std::string payload) {
  return part(8, std::move(payload), true);
}

std::string server_frame(int opcode, std::string_view payload) {
  return head(0x80 | opcode, 0, payload.size(), -1).append(payload);
}

std::string server_close(int code, std::string_view reason) {
  return server_frame(8, big_endian(static_cast<uint64_t>(code), 2).append(reason));
}

}  // namespace mana_sync::ws
