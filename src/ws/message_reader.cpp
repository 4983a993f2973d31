#include "message_reader.h"

#include "mana_sync/base/limits.h"

namespace mana_sync::ws {
namespace {

bool is_control(Opcode opcode) {
  return (static_cast<uint8_t>(opcode) & 8) != 0;
}

bool is_known(Opcode opcode) {
  return opcode <= Opcode::kBinary || (opcode >= Opcode::kClose && opcode <= Opcode::kPong);
}

// RFC 6455 §7.4, with what IANA has registered since (1012 to 1014).
bool may_be_sent(uint16_t code) {
  if (code >= 3000) return code < 5000;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

}  // namespace

MessageEvent MessageReader::next(std::string_view& input) {
  FramePiece piece;
  for (;;) {
    switch (frames_.next(input, piece)) {
      case FrameReader::Step::kMalformed:
        return broken(CloseCode::kProtocolError);
      case FrameReader::Step::kNeedsMore:
        if (const auto head = frames_.announced()) {
          if (const auto code = judge(*head)) return broken(*code);
        }
        return MessageEvent::kNeedsMore;
      case FrameReader::Step::kPiece:
        break;
    }
    if (piece.begins) {
      if (const auto code = judge(piece.head)) return broken(*code);
    }
    const auto event = is_control(piece.head.opcode) ? take_control(piece) : take_data(piece);
    if (event) return *event;
  }
}

std::optional<CloseCode> MessageReader::judge(const FrameHead& head) const {
  if (head.reserved_bits != 0 || !head.is_masked || !is_known(head.opcode)) {
    return CloseCode::kProtocolError;
  }
  if (is_control(head.opcode)) return std::nullopt;
  const bool is_first = head.opcode != Opcode::kContinuation;
  if (is_first == message_opcode_.has_value()) return CloseCode::kProtocolError;
  if (head.opcode == Opcode::kBinary && !takes_binary_) return CloseCode::kUnsupportedData;
  const size_t begun_bytes = is_first ? 0 : message_.size();
  if (head.payload_bytes > message_bytes_max_ - begun_bytes) return CloseCode::kTooBig;
  return std::nullopt;
}

std::optional<MessageEvent> MessageReader::take_data(const FramePiece& piece) {
  if (piece.begins && !message_opcode_) {
    message_opcode_ = piece.head.opcode;
    message_.clear();
    utf8_ = {};
  }
  const bool is_text = message_opcode_ == Opcode::kText;
  if (is_text && !utf8_.feed(piece.payload)) return broken(CloseCode::kInvalidText);
  const bool is_whole = piece.ends && piece.head.is_final;
  if (is_whole && message_.empty()) {
    payload_ = piece.payload;
  } else {
    message_ += piece.payload;
    payload_ = message_;
  }
  if (!is_whole) return std::nullopt;
  if (is_text && !utf8_.is_complete()) return broken(CloseCode::kInvalidText);
  message_opcode_.reset();
  return is_text ? MessageEvent::kText : MessageEvent::kBinary;
}

std::optional<MessageEvent> MessageReader::take_control(const FramePiece& piece) {
  if (piece.begins) control_.clear();
  if (piece.begins && piece.ends) {
    payload_ = piece.payload;
  } else {
    control_ += piece.payload;
    payload_ = control_;
  }
  if (!piece.ends) return std::nullopt;
  if (piece.head.opcode == Opcode::kPing) return MessageEvent::kPing;
  if (piece.head.opcode == Opcode::kPong) return MessageEvent::kPong;
  if (const auto code = judge_close()) return broken(*code);
  return MessageEvent::kClose;
}

std::optional<CloseCode> MessageReader::judge_close() const {
  if (payload_.empty()) return std::nullopt;
  const auto code = peer_code();
  if (!code || !may_be_sent(*code)) return CloseCode::kProtocolError;
  Utf8Checker reason;
  if (!reason.feed(payload_.substr(2)) || !reason.is_complete()) return CloseCode::kInvalidText;
  return std::nullopt;
}

std::optional<uint16_t> MessageReader::peer_code() const {
  if (payload_.size() < 2) return std::nullopt;
  const auto high = static_cast<uint8_t>(payload_[0]);
  const auto low = static_cast<uint8_t>(payload_[1]);
  return static_cast<uint16_t>(high << 8 | low);
}

MessageEvent MessageReader::broken(CloseCode code) {
  broken_code_ = code;
  return MessageEvent::kBroken;
}

void MessageReader::release_large_buffers() {
  if (message_.capacity() > limits::kKeptBufferBytesMax) std::string().swap(message_);
}

}  // namespace mana_sync::ws
