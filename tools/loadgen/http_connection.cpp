#include "http_connection.h"

#include <fmt/format.h>

#include <utility>

namespace mana_sync::loadgen {

HttpConnection::HttpConnection(Network& network, HttpEvents& events)
    : events_(events), channel_(network, *this), parser_(*this) {}

void HttpConnection::send(std::string request) {
  ++outstanding_;
  if (channel_.is_open()) return channel_.send(std::move(request));
  unsent_ += request;
  if (channel_.is_closed()) channel_.open();
}

void HttpConnection::on_connected() {
  parser_.reset();
  keeps_alive_ = true;
  body_.clear();
  channel_.send(std::exchange(unsent_, {}));
}

void HttpConnection::on_receive(std::string_view bytes) {
  const bool is_http = parser_.feed(bytes);
  if (!keeps_alive_) return channel_.fail("the server ended the connection");
  if (!is_http) return channel_.fail("the answer is not HTTP");
  if (body_.size() > kAnswerBytesMax) channel_.fail("an answer is endless");
}

void HttpConnection::on_ended(std::string_view reason) {
  unsent_.clear();
  // What is sent from within the calls has a connection of its own.
  for (size_t lost = std::exchange(outstanding_, 0); lost > 0; --lost) {
    events_.on_answer(0, reason);
  }
}

void HttpConnection::on_head(int status) {
  status_ = status;
}

void HttpConnection::on_body(std::string_view piece) {
  body_ += piece;
}

void HttpConnection::on_complete(bool keeps_alive) {
  keeps_alive_ = keeps_alive;
  if (outstanding_ == 0) return;  // nobody asked
  --outstanding_;
  events_.on_answer(status_, body_);
  body_.clear();
}

std::string get_request(const Endpoint& endpoint, std::string_view target,
                        std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", target, endpoint.authority, headers);
}

std::string post_request(const Endpoint& endpoint, std::string_view target,
                         std::string_view headers, std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: application/json\r\nContent-Length: "
      "{}\r\n\r\n{}",
      target, endpoint.authority, headers, body.size(), body);
}

std::string client_headers(std::string_view token, std::string_view client_id) {
  std::string headers = fmt::format("Authorization: Bearer {}\r\n", token);
  if (!client_id.empty()) headers += fmt::format("X-Client-Id: {}\r\n", client_id);
  return headers;
}

}  // namespace mana_sync::loadgen
