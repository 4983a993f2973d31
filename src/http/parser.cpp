#include "parser.h"

#include <algorithm>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

constexpr Refusal kHeadTooLarge{431, "the request head is too large"};
constexpr Refusal kBodyTooLarge{413, "the request body is too large"};
constexpr Refusal kBadVersion{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
constexpr Refusal kMalformed{400, "malformed request"};

Parser& self(llhttp_t* llhttp) {
  return *static_cast<Parser*>(llhttp->data);
}

std::string_view trim(std::string_view value) {
  const size_t begin = value.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return value.substr(begin, value.find_last_not_of(" \t") - begin + 1);
}

template <class T>
void release(std::vector<T>& list, size_t kept_bytes_max) {
  list.clear();
  if (list.capacity() * sizeof(T) > kept_bytes_max) list.shrink_to_fit();
}

}  // namespace

Parser::Parser(Request& request, size_t body_bytes_max)
    : request_(request), body_bytes_max_(body_bytes_max) {
  begin();
}

const llhttp_settings_t& Parser::settings() {
  static const llhttp_settings_t kSettings = [] {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_header_field = on_header_field;
    settings.on_header_field_complete = on_header_field_complete;
    settings.on_header_value = on_header_value;
    settings.on_headers_complete = on_headers_complete;
    settings.on_message_complete = on_message_complete;
    return settings;
  }();
  return kSettings;
}

void Parser::begin() {
  llhttp_init(&llhttp_, HTTP_REQUEST, &settings());
  llhttp_.data = this;
  scanner_.begin_head();
  phase_ = Phase::kHead;
  method_ended_ = false;
  headers_complete_ = false;
  message_complete_ = false;
  name_is_open_ = false;
  head_.clear();
  headers_.clear();
  framing_ = {};
  body_bytes_ = 0;
  keeps_body_ = true;
  request_.keeps_body = true;
  request_.headers.clear();
  request_.body.clear();
}

void Parser::release_buffers(size_t kept_bytes_max) {
  release(headers_, kept_bytes_max);
  release(request_.headers, kept_bytes_max);
  if (head_.capacity() > kept_bytes_max) std::string().swap(head_);
  if (request_.body.capacity() > kept_bytes_max) std::string().swap(request_.body);
}

Parser::Step Parser::feed(std::string_view bytes) {
  switch (phase_) {
    case Phase::kHead:
      return feed_head(bytes);
    case Phase::kSizedBody:
      return feed_sized_body(bytes);
    case Phase::kChunks:
      return feed_chunks(bytes);
    case Phase::kComplete:
    case Phase::kRefused:
      break;
  }
  check_failed("a parser was fed beyond its request");
}

Parser::Step Parser::feed_head(std::string_view bytes) {
  const size_t before = head_.size();
  const auto scan = scanner_.scan(bytes.substr(0, limits::kHeaderBlockBytesMax - before));
  head_.append(bytes.data(), scan.bytes);
  // Even if the scanner refuses what follows: Origin may be among these bytes.
  const bool accepted = execute_head(before);
  if (!accepted) return refuse(refusal_, scan.bytes);
  if (scan.verdict == LineScanner::Verdict::kRefused) return refuse(scan.refusal, scan.bytes);
  if (scan.verdict == LineScanner::Verdict::kEnd) return finish_head(scan.bytes);
  if (headers_complete_) return refuse(kMalformed, scan.bytes);
  if (head_.size() == limits::kHeaderBlockBytesMax) return refuse(kHeadTooLarge, scan.bytes);
  return {Event::kNeedsMore, scan.bytes};
}

Parser::Step Parser::finish_head(size_t consumed) {
  const size_t line_begin = std::min(head_.find_first_not_of("\r\n"), head_.size());
  const size_t line_end = head_.find('\r', line_begin);
  const auto line = std::string_view(head_).substr(line_begin, line_end - line_begin);
  if (const auto refusal = read_request_line(line, request_)) return refuse(*refusal, consumed);
  if (!headers_complete_) return refuse(kMalformed, consumed);
  set_views();
  const auto framing = check_headers(request_);
  if (!framing.has_value()) return refuse(framing.error(), consumed);
  // Whatever llhttp made of the framing must be the same.
  const bool llhttp_chunked = (llhttp_.flags & F_CHUNKED) != 0;
  if (framing->has_body() && (message_complete_ || llhttp_chunked != framing->chunked)) {
    return refuse(kMalformed, consumed);
  }
  if (framing->content_length > body_bytes_max_) return refuse(kBodyTooLarge, consumed);
  framing_ = *framing;
  if (framing_.chunked) chunks_.begin(body_bytes_max_);
  phase_ = framing_.chunked      ? Phase::kChunks
           : framing_.has_body() ? Phase::kSizedBody
                                 : Phase::kComplete;
  if (phase_ == Phase::kComplete) request_.body.reserve(limits::kBodyPaddingBytes);
  return {Event::kHeadComplete, consumed};
}

Parser::Step Parser::feed_sized_body(std::string_view bytes) {
  const size_t missing = framing_.content_length - body_bytes_;
  const std::string_view taken = bytes.substr(0, missing);
  append_body(taken);
  if (taken.size() == missing) return complete(taken.size());
  return {Event::kNeedsMore, taken.size()};
}

Parser::Step Parser::feed_chunks(std::string_view bytes) {
  size_t consumed = 0;
  while (consumed < bytes.size()) {
    const ChunkDecoder::Step step = chunks_.next(bytes.substr(consumed));
    consumed += step.consumed;
    switch (step.event) {
      case ChunkDecoder::Event::kNeedsMore:
        break;
      case ChunkDecoder::Event::kData:
        append_body(step.data);
        break;
      case ChunkDecoder::Event::kComplete:
        return complete(consumed);
      case ChunkDecoder::Event::kRefused:
        return refuse(step.refusal, consumed);
    }
  }
  return {Event::kNeedsMore, consumed};
}

Parser::Step Parser::refuse(const Refusal& refusal, size_t consumed) {
  refusal_ = refusal;
  phase_ = Phase::kRefused;
  return {Event::kRefused, consumed};
}

Parser::Step Parser::complete(size_t consumed) {
  phase_ = Phase::kComplete;
  request_.body.reserve(request_.body.size() + limits::kBodyPaddingBytes);
  return {Event::kComplete, consumed};
}

// llhttp knows a list of methods, refuses all others, and reads on in another way behind some: what
// it gets is GET, whichever token the scanner has found (PROTOCOL 9.1).
bool Parser::execute_head(size_t offset) {
  if (!method_ended_) {
    offset = head_.find(' ', offset);
    if (offset == std::string::npos) return true;
    method_ended_ = true;
    if (!execute("GET")) return false;
  }
  return execute(std::string_view(head_).substr(offset));
}

bool Parser::execute(std::string_view bytes) {
  if (bytes.empty()) return true;
  const llhttp_errno_t error = llhttp_execute(&llhttp_, bytes.data(), bytes.size());
  // An upgrade is not made here: the request counts as any other, and is over.
  if (error == HPE_OK || error == HPE_PAUSED_UPGRADE) return true;
  refusal_ = kMalformed;
  if (error == HPE_INVALID_VERSION) {
    const auto read = static_cast<size_t>(llhttp_get_error_pos(&llhttp_) - bytes.data());
    const size_t unread = bytes.size() - read;
    if (ends_with_version(std::string_view(head_).substr(0, head_.size() - unread))) {
      refusal_ = kBadVersion;
    }
  } else if (const char* reason = llhttp_get_error_reason(&llhttp_); reason != nullptr) {
    refusal_.message = reason;
  }
  return false;
}

void Parser::set_views() {
  request_.headers.reserve(headers_.size());
  for (const HeaderSpan& header : headers_) {
    request_.headers.emplace_back(text(header.name), trim(text(header.value)));
  }
}

std::string_view Parser::text(Span span) const {
  return std::string_view(head_).substr(span.offset, span.bytes);
}

std::string_view Parser::origin() const {
  for (const HeaderSpan& header : headers_) {
    if (equals_ignore_case(text(header.name), "origin")) return trim(text(header.value));
  }
  return {};
}

void Parser::append_body(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (!keeps_body_) return;
  std::string& body = request_.body;
  const size_t needed = body.size() + bytes.size() + limits::kBodyPaddingBytes;
  if (needed > body.capacity()) {
    // Grows with what has come, not with what a header promised.
    const size_t most = framing_.chunked ? body_bytes_max_ : framing_.content_length;
    const size_t wanted = std::min(2 * needed, most + limits::kBodyPaddingBytes);
    body.reserve(std::max(needed, wanted));
  }
  body.append(bytes);
}

int Parser::on_header_field(llhttp_t* llhttp, const char* at, size_t bytes) {
  Parser& parser = self(llhttp);
  if (!parser.name_is_open_) {
    const auto offset = static_cast<uint16_t>(at - parser.head_.data());
    parser.headers_.push_back({{offset, 0}, {}});
    parser.name_is_open_ = true;
  }
  Span& name = parser.headers_.back().name;
  name.bytes = static_cast<uint16_t>(name.bytes + bytes);
  return HPE_OK;
}

int Parser::on_header_field_complete(llhttp_t* llhttp) {
  self(llhttp).name_is_open_ = false;
  return HPE_OK;
}

int Parser::on_header_value(llhttp_t* llhttp, const char* at, size_t bytes) {
  Parser& parser = self(llhttp);
  Span& value = parser.headers_.back().value;
  const auto offset = static_cast<uint16_t>(at - parser.head_.data());
  if (value.bytes == 0) value.offset = offset;
  value.bytes = static_cast<uint16_t>(offset + bytes - value.offset);
  return HPE_OK;
}

int Parser::on_headers_complete(llhttp_t* llhttp) {
  Parser& parser = self(llhttp);
  parser.headers_complete_ = true;
  parser.request_.keep_alive = llhttp_should_keep_alive(llhttp) == 1;
  return HPE_OK;
}

int Parser::on_message_complete(llhttp_t* llhttp) {
  self(llhttp).message_complete_ = true;
  return HPE_OK;
}

}  // namespace mana_sync::http
