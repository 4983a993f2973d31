#include "mana_sync/ws/frame_reader.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "mana_sync/base/check.h"

namespace mana_sync::ws {
namespace {

constexpr size_t kMaskBytes = 4;
constexpr size_t kHeadBytesMax = 14;
constexpr uint64_t kLength16 = 126;  // the length is in the next two bytes
constexpr uint64_t kLength64 = 127;  // in the next eight

// What follows the first two bytes of the head of a frame of that length.
size_t extended_length_bytes(uint64_t payload_bytes) {
  if (payload_bytes < kLength16) return 0;
  return payload_bytes <= UINT16_MAX ? 2 : 8;
}

}  // namespace

FrameReader::FrameReader() {
  wslay_frame_callbacks callbacks{};
  callbacks.recv_callback = &on_wslay_receive;
  const int result = wslay_frame_context_init(&context_, &callbacks, this);
  MANA_CHECK(result == 0);  // or there is no memory
}

FrameReader::~FrameReader() {
  wslay_frame_context_free(context_);
}

ssize_t FrameReader::on_wslay_receive(uint8_t* out, size_t bytes_max, int, void* self) {
  FrameReader& reader = *static_cast<FrameReader*>(self);
  const std::string_view taken = reader.input_.substr(0, bytes_max);
  if (taken.empty()) return -1;  // wants more
  std::memcpy(out, taken.data(), taken.size());
  reader.input_.remove_prefix(taken.size());
  reader.buffered_bytes_ += taken.size();
  reader.last_bytes_ += taken.substr(taken.size() - std::min(taken.size(), kHeadBytesMax));
  if (reader.last_bytes_.size() > kHeadBytesMax) {
    reader.last_bytes_.erase(0, reader.last_bytes_.size() - kHeadBytesMax);
  }
  return static_cast<ssize_t>(taken.size());
}

FrameReader::Step FrameReader::next(std::string_view& input, FramePiece& piece) {
  input_ = input;
  wslay_frame_iocb frame{};
  const ssize_t result = wslay_frame_recv(context_, &frame);
  input = std::exchange(input_, {});
  if (result == WSLAY_ERR_WANT_READ) return Step::kNeedsMore;
  if (result < 0) return Step::kMalformed;

  piece.head = {frame.fin != 0, frame.mask != 0, frame.rsv, static_cast<Opcode>(frame.opcode),
                frame.payload_length};
  piece.begins = !in_frame_;
  piece.payload = {reinterpret_cast<const char*>(frame.data), frame.data_length};
  if (piece.begins) {
    const size_t mask_bytes = piece.head.is_masked ? kMaskBytes : 0;
    buffered_bytes_ -= 2 + extended_length_bytes(frame.payload_length) + mask_bytes;
    payload_left_ = frame.payload_length;
  }
  buffered_bytes_ -= frame.data_length;
  payload_left_ -= frame.data_length;
  piece.ends = payload_left_ == 0;
  in_frame_ = !piece.ends;
  return Step::kPiece;
}

std::optional<FrameHead> FrameReader::announced() const {
  if (in_frame_ || buffered_bytes_ < 2) return std::nullopt;
  MANA_CHECK(buffered_bytes_ <= last_bytes_.size());
  const std::string_view head =
      std::string_view(last_bytes_).substr(last_bytes_.size() - buffered_bytes_);
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(head[i]); };
  uint64_t payload_bytes = byte(1) & 0x7f;
  if (payload_bytes >= kLength16) {
    const size_t length_bytes = payload_bytes == kLength64 ? 8 : 2;
    if (head.size() < 2 + length_bytes) return std::nullopt;
    payload_bytes = 0;
    for (size_t i = 0; i < length_bytes; ++i) payload_bytes = payload_bytes << 8 | byte(2 + i);
  }
  return FrameHead{(byte(0) & 0x80) != 0, (byte(1) & 0x80) != 0,
                   static_cast<uint8_t>(byte(0) >> 4 & 7), static_cast<Opcode>(byte(0) & 0xf),
                   payload_bytes};
}

}  // namespace mana_sync::ws
