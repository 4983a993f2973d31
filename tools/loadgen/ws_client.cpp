#include "ws_client.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <utility>

#include "http_connection.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/ws/handshake.h"

namespace mana_sync::loadgen {
namespace {

std::string random_key(std::mt19937_64& random) {
  std::array<uint64_t, 2> bytes{random(), random()};
  std::array<uint8_t, 25> encoded;  // base64 of 16 bytes, and a NUL
  const int length = EVP_EncodeBlock(encoded.data(), reinterpret_cast<const uint8_t*>(bytes.data()),
                                     sizeof(bytes));
  return {encoded.begin(), encoded.begin() + length};
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\r'));
}

}  // namespace

WsClient::WsClient(Network& network, WsEvents& events)
    : network_(network), events_(events), channel_(network, *this) {}

WsClient::~WsClient() = default;

void WsClient::open(std::string_view target) {
  target_ = target;
  state_ = State::kOpening;
  head_.clear();
  message_.clear();
  control_.clear();
  reader_.reset();
  channel_.open();
}

void WsClient::cut() {
  state_ = State::kClosed;
  channel_.close();
}

void WsClient::on_connected() {
  key_ = random_key(network_.random());
  channel_.send(get_request(network_.endpoint(), target_,
                            fmt::format("Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
                                        key_)));
}

void WsClient::on_ended(std::string_view reason) {
  state_ = State::kClosed;
  events_.on_ended(reason);
}

void WsClient::on_receive(std::string_view bytes) {
  if (state_ == State::kOpening && !take_handshake(bytes)) return;
  if (!bytes.empty()) read_frames(bytes);
}

bool WsClient::take_handshake(std::string_view& bytes) {
  const size_t before = head_.size();
  head_ += bytes;
  const size_t end = head_.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (head_.size() > limits::kHeaderBlockBytesMax) channel_.fail("the answer's head is endless");
    return false;
  }
  const size_t head_bytes = end + 4;
  if (!head_.starts_with("HTTP/1.1 101")) {
    channel_.fail(first_line(head_));
    return false;
  }
  if (head_.find(ws::accept_value(key_)) > end) {
    channel_.fail("Sec-WebSocket-Accept is not the key's");
    return false;
  }
  bytes.remove_prefix(head_bytes - before);
  head_ = {};
  state_ = State::kOpen;
  events_.on_open();
  return state_ == State::kOpen;
}

void WsClient::read_frames(std::string_view bytes) {
  auto reader = reader_ != nullptr ? std::move(reader_) : std::make_unique<ws::FrameReader>();
  ws::FramePiece piece;
  for (;;) {
    const auto step = reader->next(bytes, piece);
    if (step == ws::FrameReader::Step::kNeedsMore) break;
    if (step == ws::FrameReader::Step::kMalformed || piece.head.is_masked) {
      return channel_.fail("a frame is malformed");
    }
    if (!take(piece)) return;
  }
  if (!reader->is_between_frames()) reader_ = std::move(reader);
}

bool WsClient::take(const ws::FramePiece& piece) {
  const bool is_control = piece.head.opcode >= ws::Opcode::kClose;
  std::string& text = is_control ? control_ : message_;
  text += piece.payload;
  if (!piece.ends || !piece.head.is_final) {
    if (text.size() <= limits::kWebSocketMessageBytesMax) return true;
    channel_.fail("a message is endless");
    return false;
  }
  const std::string whole = std::exchange(text, {});
  if (piece.head.opcode == ws::Opcode::kPing) send(ws::Opcode::kPong, whole);
  if (piece.head.opcode == ws::Opcode::kClose) {
    control_ = whole;
    on_close_frame();
    return false;
  }
  if (!is_control) events_.on_text(whole);
  return state_ == State::kOpen;
}

void WsClient::on_close_frame() {
  if (control_.size() < 2) return channel_.fail("closed without a code");
  const auto code = static_cast<unsigned>(static_cast<uint8_t>(control_[0])) << 8 |
                    static_cast<uint8_t>(control_[1]);
  channel_.fail(fmt::format("closed with {} {}", code, control_.substr(2)));
}

void WsClient::send_text(std::string_view text) {
  send(ws::Opcode::kText, text);
}

void WsClient::send(ws::Opcode opcode, std::string_view payload) {
  if (state_ != State::kOpen) return;
  channel_.send(frame(opcode, payload, static_cast<uint32_t>(network_.random()())));
}

std::string WsClient::frame(ws::Opcode opcode, std::string_view payload, uint32_t mask) {
  constexpr auto kMasked = static_cast<char>(0x80);
  std::string bytes;
  bytes.reserve(14 + payload.size());
  bytes += static_cast<char>(0x80 | static_cast<uint8_t>(opcode));
  const auto append_length = [&](int length_bytes) {
    for (int i = length_bytes - 1; i >= 0; --i) {
      bytes += static_cast<char>(static_cast<uint64_t>(payload.size()) >> (8 * i));
    }
  };
  if (payload.size() < 126) {
    bytes += static_cast<char>(kMasked | static_cast<char>(payload.size()));
  } else if (payload.size() <= UINT16_MAX) {
    bytes += static_cast<char>(kMasked | 126);
    append_length(2);
  } else {
    bytes += static_cast<char>(kMasked | 127);
    append_length(8);
  }
  std::array<char, 4> key;
  std::memcpy(key.data(), &mask, sizeof(mask));
  bytes.append(key.data(), key.size());
  for (size_t i = 0; i < payload.size(); ++i) {
    bytes += static_cast<char>(payload[i] ^ key[i % key.size()]);
  }
  return bytes;
}

}  // namespace mana_sync::loadgen
