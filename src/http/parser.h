// Bytes to requests: the only user of llhttp, which reads the heads. Strict beside it (PROTOCOL
// 9.3): a LineScanner looks at each byte of a head first, the rules of head_rules.h hold
// afterwards, and where llhttp disagrees with either about an end, the request is refused.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chunk_decoder.h"
#include "head_rules.h"
#include "line_scanner.h"
#include "mana_sync/http/message.h"
#include "refusal.h"

namespace mana_sync::http {

// One request after the other, each started with begin(). Buffers are kept between requests. One
// thread.
class Parser {
 public:
  enum class Event {
    kNeedsMore,     // all bytes are taken
    kHeadComplete,  // `request` has everything but its body; feed() goes on with the body
    kComplete,      // the body as well
    kRefused,       // refusal() says why; only begin() may follow
  };
  struct Step {
    Event event;
    size_t consumed;  // bytes taken
  };

  // Fills `request`, which must outlive the parser; its views point into the parser.
  Parser(Request& request, size_t body_bytes_max);
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Forgets the last request and expects a head.
  void begin();
  // Ends the request, and frees buffers larger than `kept_bytes_max`. REQUIRES: begin() comes
  // before feed().
  void release_buffers(size_t kept_bytes_max);
  // From here on the body is counted and dropped. REQUIRES: none of it was fed.
  void skip_body() { keeps_body_ = false; }

  // REQUIRES: `bytes` is not empty. After kHeadComplete without a body (has_body()) the request is
  // complete: no kComplete follows.
  [[nodiscard]] Step feed(std::string_view bytes);

  // A byte of the request has been taken since begin().
  [[nodiscard]] bool has_begun() const { return !head_.empty(); }
  // What has come of the head; there until the next one begins, or release_buffers().
  [[nodiscard]] size_t head_bytes() const { return head_.size(); }
  [[nodiscard]] bool has_body() const { return framing_.has_body(); }
  // As announced; 0 for a chunked body.
  [[nodiscard]] uint64_t content_length() const { return framing_.content_length; }
  [[nodiscard]] bool expects_continue() const { return framing_.expects_continue; }
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }
  // The value of the `Origin` header, as far as the head has been read, even after kRefused.
  [[nodiscard]] std::string_view origin() const;

 private:
  enum class Phase : uint8_t { kHead, kSizedBody, kChunks, kComplete, kRefused };
  // Offsets into head_.
  struct Span {
    uint16_t offset = 0;
    uint16_t bytes = 0;
  };
  struct HeaderSpan {
    Span name;
    Span value;
  };

  static const llhttp_settings_t& settings();
  static int on_header_field(llhttp_t* llhttp, const char* at, size_t bytes);
  static int on_header_field_complete(llhttp_t* llhttp);
  static int on_header_value(llhttp_t* llhttp, const char* at, size_t bytes);
  static int on_headers_complete(llhttp_t* llhttp);
  static int on_message_complete(llhttp_t* llhttp);

  Step feed_head(std::string_view bytes);
  Step finish_head(size_t consumed);
  Step feed_sized_body(std::string_view bytes);
  Step feed_chunks(std::string_view bytes);
  Step refuse(const Refusal& refusal, size_t consumed = 0);
  Step complete(size_t consumed);

  // Gives llhttp the head from `offset` on, with GET in the method's place. False: llhttp refuses,
  // and refusal_ is set.
  bool execute_head(size_t offset);
  // The same for bytes as they are.
  bool execute(std::string_view bytes);
  void set_views();
  [[nodiscard]] std::string_view text(Span span) const;
  void append_body(std::string_view bytes);

  Request& request_;
  const size_t body_bytes_max_;
  llhttp_t llhttp_;
  LineScanner scanner_;
  Phase phase_ = Phase::kHead;
  // True exactly when the space behind the method has been read, and llhttp with it.
  bool method_ended_ = false;
  // True exactly when llhttp has come to the end of the headers; takes it for the
  // end of the request.
  bool headers_complete_ = false;
  bool message_complete_ = false;
  // True exactly when the last piece of a name may go on.
  bool name_is_open_ = false;
  std::string head_;  // the head's bytes so far
  std::vector<HeaderSpan> headers_;
  Framing framing_;
  size_t body_bytes_ = 0;  // so far
  bool keeps_body_ = true;
  ChunkDecoder chunks_;
  Refusal refusal_;
};

}  // namespace mana_sync::http
