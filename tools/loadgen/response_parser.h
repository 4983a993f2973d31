// The loadgen's only user of llhttp: takes received bytes apart into answers (RFC 9112).
#pragma once

#include <llhttp.h>

#include <string_view>

namespace mana_sync::loadgen {

class ResponseEvents {
 public:
  virtual ~ResponseEvents() = default;
  // The head is complete. `status` 200 to 599.
  virtual void on_head(int status) = 0;
  // A piece of the body, decoded from chunks; borrowed for the call.
  virtual void on_body(std::string_view piece) = 0;
  // The answer is complete. `keeps_alive`: the connection takes another request.
  virtual void on_complete(bool keeps_alive) = 0;
};

// Answers to GET and POST, one after the other. One thread.
class ResponseParser {
 public:
  // `events` must outlive the parser.
  explicit ResponseParser(ResponseEvents& events);
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // For a new connection.
  void reset();
  // False: this is not HTTP, or it changes the protocol; the parser must be reset.
  [[nodiscard]] bool feed(std::string_view bytes);

 private:
  static const llhttp_settings_t& settings();

  ResponseEvents& events_;
  llhttp_t llhttp_;
};

}  // namespace mana_sync::loadgen
