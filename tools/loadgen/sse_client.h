// A follower of a stream of server-sent events (WHATWG HTML §9.2).
#pragma once

#include <string>
#include <string_view>

#include "channel.h"
#include "response_parser.h"

namespace mana_sync::loadgen {

struct SseEvent {
  std::string id;     // the last one that was given
  std::string event;  // empty: "message"
  std::string data;
};

// Lines to events.
class SseReader {
 public:
  // False while the next event is incomplete. `piece` is what arrived since the call before; after
  // true, call again with an empty one. The event stays valid until the next call.
  [[nodiscard]] bool next(std::string_view piece, const SseEvent*& event);
  // What waits for its end.
  [[nodiscard]] size_t pending_bytes() const { return text_.size() - taken_ + event_.data.size(); }

 private:
  void take_line(std::string_view line);

  std::string text_;
  size_t taken_ = 0;  // of text_
  bool is_told_ = false;
  SseEvent event_;
};

class SseEvents {
 public:
  virtual ~SseEvents() = default;
  // The answer's head has come, with 200.
  virtual void on_open() = 0;
  virtual void on_event(const SseEvent& event) = 0;
  // It could not be opened, or has ended without cut(). It can be opened again from here.
  virtual void on_ended(std::string_view reason) = 0;
};

class SseClient final : private ChannelEvents, private ResponseEvents {
 public:
  // An event's data that is larger ends the connection: the server bounds what it sends at once.
  static constexpr size_t kEventBytesMax = size_t{16} * 1024 * 1024;

  // Both must outlive the client.
  SseClient(Network& network, SseEvents& events);

  // REQUIRES: it is not open, nor being opened. `headers`: lines, each with its CRLF.
  void open(std::string_view target, std::string_view headers);
  // No call comes after it.
  void cut();

 private:
  void on_connected() override;
  void on_receive(std::string_view bytes) override;
  void on_ended(std::string_view reason) override;
  void on_head(int status) override;
  void on_body(std::string_view piece) override;
  void on_complete(bool keeps_alive) override;

  SseEvents& events_;
  Channel channel_;
  ResponseParser parser_;
  SseReader reader_;
  std::string request_;
  int status_ = 0;
  bool is_complete_ = false;
};

}  // namespace mana_sync::loadgen
