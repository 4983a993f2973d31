// The client's side of a WebSocket (RFC 6455): text messages, no extensions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "channel.h"
#include "mana_sync/ws/frame_reader.h"

namespace mana_sync::loadgen {

class WsEvents {
 public:
  virtual ~WsEvents() = default;
  // The handshake is done.
  virtual void on_open() = 0;
  // A whole message; borrowed for the call.
  virtual void on_text(std::string_view text) = 0;
  // It could not be opened, or has ended without cut(). It can be opened again from here.
  virtual void on_ended(std::string_view reason) = 0;
};

class WsClient final : private ChannelEvents {
 public:
  // Both must outlive the client.
  WsClient(Network& network, WsEvents& events);
  ~WsClient() override;

  // REQUIRES: it is not open, nor being opened.
  void open(std::string_view target);
  // One message. Ignored unless open.
  void send_text(std::string_view text);
  // Ends the TCP connection without a closing handshake. No call comes after it.
  void cut();

  // A client's frame, final and masked (RFC 6455 §5.2, §5.3).
  [[nodiscard]] static std::string frame(ws::Opcode opcode, std::string_view payload,
                                         uint32_t mask);

 private:
  enum class State : uint8_t { kClosed, kOpening, kOpen };

  void on_connected() override;
  void on_receive(std::string_view bytes) override;
  void on_ended(std::string_view reason) override;
  // Takes the answer to the handshake off `bytes`. False: it has not come, or is none.
  [[nodiscard]] bool take_handshake(std::string_view& bytes);
  void read_frames(std::string_view bytes);
  // False: the connection has ended.
  [[nodiscard]] bool take(const ws::FramePiece& piece);
  void on_close_frame();
  void send(ws::Opcode opcode, std::string_view payload);

  Network& network_;
  WsEvents& events_;
  Channel channel_;
  State state_ = State::kClosed;
  std::string target_;
  std::string key_;
  std::string head_;  // of the answer to the handshake, as far as it has come
  // There exactly while a frame is incomplete, but not while read_frames() runs.
  std::unique_ptr<ws::FrameReader> reader_;
  std::string message_;  // of a message whose end has not come
  std::string control_;  // likewise
};

}  // namespace mana_sync::loadgen
