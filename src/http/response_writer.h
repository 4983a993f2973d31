// Answers as bytes: status line and headers (RFC 9112 §4; PROTOCOL 9.1, 9.4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mana_sync/base/clock.h"
#include "mana_sync/http/cors.h"
#include "mana_sync/http/message.h"

namespace mana_sync::http {

// The value of a Date header, made once a second. One thread.
class DateCache {
 public:
  // `clock` must outlive the cache.
  explicit DateCache(const Clock& clock) : clock_(clock) {}
  // `Sun, 06 Nov 1994 08:49:37 GMT`; valid until the next call.
  [[nodiscard]] std::string_view now();

 private:
  const Clock& clock_;
  int64_t second_ = -1;
  std::string text_;
};

// How the client finds the end of a body (RFC 9112 §6.3).
enum class AnswerFraming : uint8_t { kLength, kChunked, kUntilClose };

// What an answer's head depends on besides the answer.
struct AnswerContext {
  std::string_view date;
  const CorsPolicy& cors;
  std::string_view origin;    // the request's; empty without
  bool is_preflight = false;  // allowed by `cors`
  int version_minor = 1;      // the request's
  bool close = false;
  AnswerFraming framing = AnswerFraming::kLength;
};

// Appends everything up to and with the empty line.
void append_answer_head(std::string& out, const Response& response, const AnswerContext& context);

// 1xx, 204 and 304 have neither a body nor its headers.
[[nodiscard]] bool status_has_body(int status);

}  // namespace mana_sync::http
