#include "sse_client.h"

#include <fmt/format.h>

#include <utility>

#include "http_connection.h"

namespace mana_sync::loadgen {

bool SseReader::next(std::string_view piece, const SseEvent*& event) {
  if (std::exchange(is_told_, false)) {
    event_.event.clear();
    event_.data.clear();
  }
  text_ += piece;
  for (size_t end; (end = text_.find('\n', taken_)) != std::string::npos;) {
    std::string_view line = std::string_view(text_).substr(taken_, end - taken_);
    taken_ = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) {
      take_line(line);
    } else if (!event_.data.empty()) {
      // The line end behind the last line of data is not part of it.
      event_.data.pop_back();
      event = &event_;
      is_told_ = true;
      return true;
    } else {
      event_.event.clear();  // without data it is none
    }
  }
  text_.erase(0, taken_);
  taken_ = 0;
  return false;
}

void SseReader::take_line(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == 0) return;  // a comment
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    event_.data.append(value).append("\n");
  } else if (field == "event") {
    event_.event = value;
  } else if (field == "id") {
    event_.id = value;
  }
}

SseClient::SseClient(Network& network, SseEvents& events)
    : events_(events), channel_(network, *this), parser_(*this) {}

void SseClient::open(std::string_view target, std::string_view headers) {
  request_ = fmt::format("Accept: text/event-stream\r\n{}", headers);
  request_ = get_request(channel_.network().endpoint(), target, request_);
  channel_.open();
}

void SseClient::cut() {
  channel_.close();
}

void SseClient::on_connected() {
  parser_.reset();
  reader_ = {};
  status_ = 0;
  is_complete_ = false;
  channel_.send(std::exchange(request_, {}));
}

void SseClient::on_receive(std::string_view bytes) {
  const bool is_http = parser_.feed(bytes);
  if (!is_http) return channel_.fail("the answer is not HTTP");
  if (status_ != 0 && status_ != 200) return channel_.fail(fmt::format("status {}", status_));
  if (is_complete_) return channel_.fail("the stream ended");
  if (reader_.pending_bytes() > kEventBytesMax) channel_.fail("an event is endless");
}

void SseClient::on_ended(std::string_view reason) {
  events_.on_ended(reason);
}

void SseClient::on_head(int status) {
  status_ = status;
  if (status == 200) events_.on_open();
}

void SseClient::on_body(std::string_view piece) {
  if (status_ != 200) return;
  const SseEvent* event = nullptr;
  while (channel_.is_open() && reader_.next(std::exchange(piece, {}), event)) {
    events_.on_event(*event);
  }
}

void SseClient::on_complete(bool) {
  is_complete_ = true;
}

}  // namespace mana_sync::loadgen
