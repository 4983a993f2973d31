// A keep-alive connection that requests are sent over, pipelined if there are several.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "channel.h"
#include "response_parser.h"

namespace mana_sync::loadgen {

class HttpEvents {
 public:
  virtual ~HttpEvents() = default;
  // The answer to the oldest request that has none. `status` 0: none will come, since the
  // connection could not be made or was lost; `body` is then the reason. `body` is borrowed for the
  // call. More can be sent from here; the connection must not be destroyed.
  virtual void on_answer(int status, std::string_view body) = 0;
};

class HttpConnection final : private ChannelEvents, private ResponseEvents {
 public:
  // A larger answer ends the connection: the server bounds its own at a few MiB (PROTOCOL 2.4).
  static constexpr size_t kAnswerBytesMax = size_t{32} * 1024 * 1024;

  // Both must outlive the connection.
  HttpConnection(Network& network, HttpEvents& events);

  // A whole request; connects first where there is no connection. Leaves at the end of the tick.
  void send(std::string request);
  // Requests without an answer.
  [[nodiscard]] size_t outstanding() const { return outstanding_; }

 private:
  void on_connected() override;
  void on_receive(std::string_view bytes) override;
  void on_ended(std::string_view reason) override;
  void on_head(int status) override;
  void on_body(std::string_view piece) override;
  void on_complete(bool keeps_alive) override;

  HttpEvents& events_;
  Channel channel_;
  ResponseParser parser_;
  std::string unsent_;  // until there is a connection
  size_t outstanding_ = 0;
  bool keeps_alive_ = true;
  int status_ = 0;
  std::string body_;
};

// A request's bytes. `headers`: lines, each with its CRLF. Without a body it is a GET, else a POST
// of JSON.
[[nodiscard]] std::string get_request(const Endpoint& endpoint, std::string_view target,
                                      std::string_view headers = {});
[[nodiscard]] std::string post_request(const Endpoint& endpoint, std::string_view target,
                                       std::string_view headers, std::string_view body);
// The headers of a client's request; `client_id` may be empty.
[[nodiscard]] std::string client_headers(std::string_view token, std::string_view client_id);

}  // namespace mana_sync::loadgen
