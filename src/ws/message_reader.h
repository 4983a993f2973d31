// Frames to messages: what RFC 6455 §5 and PROTOCOL 6.5 ask of a client's frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/ws/close_code.h"
#include "mana_sync/ws/frame_reader.h"
#include "utf8_checker.h"

namespace mana_sync::ws {

enum class MessageEvent : uint8_t {
  kNeedsMore,  // the input is used up
  kText,       // a whole message; so the others
  kBinary,
  kPing,
  kPong,
  kClose,
  kBroken,  // a rule is broken; broken_code() is what to say. The reader is of no use any more.
};

// One thread. An idle one can serve any connection.
class MessageReader {
 public:
  // What the next messages may be.
  void configure(bool takes_binary, size_t message_bytes_max) {
    takes_binary_ = takes_binary;
    message_bytes_max_ = message_bytes_max;
  }

  // Takes bytes from the front of `input`, more of them than it needs for what it returns: call
  // until it needs more.
  MessageEvent next(std::string_view& input);

  // Of the last event. Until the next call.
  [[nodiscard]] std::string_view payload() const { return payload_; }
  // After kClose: the peer's code; nullopt if it gave none.
  [[nodiscard]] std::optional<uint16_t> peer_code() const;
  [[nodiscard]] CloseCode broken_code() const { return broken_code_; }

  // No frame and no message is incomplete.
  [[nodiscard]] bool is_idle() const { return frames_.is_between_frames() && !message_opcode_; }
  // About how much memory an incomplete message holds.
  [[nodiscard]] size_t held_bytes() const { return kFrameBufferBytes + message_.capacity(); }
  // Frees what a large message left behind.
  void release_large_buffers();

 private:
  // What is wrong with a frame that begins so; nullopt: nothing.
  [[nodiscard]] std::optional<CloseCode> judge(const FrameHead& head) const;
  [[nodiscard]] std::optional<CloseCode> judge_close() const;
  [[nodiscard]] MessageEvent broken(CloseCode code);
  [[nodiscard]] std::optional<MessageEvent> take_data(const FramePiece& piece);
  [[nodiscard]] std::optional<MessageEvent> take_control(const FramePiece& piece);

  FrameReader frames_;
  bool takes_binary_ = false;
  size_t message_bytes_max_ = 0;

  std::optional<Opcode> message_opcode_;  // kText, kBinary: that message is incomplete
  std::string message_;                   // what has come of it
  Utf8Checker utf8_;
  std::string control_;  // the payload of a control frame that came in pieces
  std::string_view payload_;
  CloseCode broken_code_ = CloseCode::kProtocolError;
};

}  // namespace mana_sync::ws
