#include "chunk_decoder.h"

#include <algorithm>

#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

constexpr Refusal kNone{0, {}};
constexpr Refusal kBadSize{400, "malformed chunk size"};
constexpr Refusal kBadExtension{400, "malformed chunk extension"};
constexpr Refusal kBadLineEnd{400, "a chunk without its line end"};
constexpr Refusal kBodyTooLarge{413, "the request body is too large"};
constexpr Refusal kEndlessOverhead{413, "chunk extensions and trailers are too large"};

constexpr int kSizeDigitsMax = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void ChunkDecoder::begin(size_t body_bytes_max) {
  state_ = State::kSize;
  size_digits_ = 0;
  chunk_missing_ = 0;
  body_missing_max_ = body_bytes_max;
  overhead_bytes_ = 0;
}

ChunkDecoder::Step ChunkDecoder::next(std::string_view bytes) {
  size_t consumed = 0;
  while (consumed < bytes.size() && state_ != State::kData && state_ != State::kTrailers) {
    if (const Refusal refusal = take_framing(bytes[consumed]); refusal.status != 0) {
      return {Event::kRefused, consumed, {}, refusal};
    }
    ++consumed;
  }
  if (consumed == bytes.size()) return {Event::kNeedsMore, consumed, {}, kNone};
  bytes.remove_prefix(consumed);
  Step step = state_ == State::kData ? next_data(bytes) : next_trailers(bytes);
  step.consumed += consumed;
  return step;
}

Refusal ChunkDecoder::take_framing(char c) {
  switch (state_) {
    case State::kSize:
      return take_size_digit(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLineFeed;
        return kNone;
      }
      if (!is_line_text(c)) return kBadExtension;
      return ++overhead_bytes_ > limits::kChunkOverheadBytesMax ? kEndlessOverhead : kNone;
    case State::kSizeLineFeed:
      if (c != '\n') return kBadSize;
      body_missing_max_ -= chunk_missing_;
      size_digits_ = 0;
      state_ = chunk_missing_ > 0 ? State::kData : State::kTrailers;
      if (state_ == State::kTrailers) trailers_.begin_trailers();
      return kNone;
    case State::kDataEnd:
      state_ = State::kDataLineFeed;
      return c == '\r' ? kNone : kBadLineEnd;
    case State::kDataLineFeed:
      state_ = State::kSize;
      return c == '\n' ? kNone : kBadLineEnd;
    case State::kData:
    case State::kTrailers:
      break;
  }
  return kNone;
}

Refusal ChunkDecoder::take_size_digit(char c) {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (++size_digits_ > kSizeDigitsMax) return kBadSize;
    chunk_missing_ = chunk_missing_ * 16 + static_cast<uint64_t>(digit);
    return chunk_missing_ > body_missing_max_ ? kBodyTooLarge : kNone;
  }
  if (size_digits_ == 0) return kBadSize;
  if (c != '\r' && c != ';') return kBadSize;
  state_ = c == ';' ? State::kExtension : State::kSizeLineFeed;
  return kNone;
}

ChunkDecoder::Step ChunkDecoder::next_data(std::string_view bytes) {
  const std::string_view data = bytes.substr(0, std::min(bytes.size(), chunk_missing_));
  chunk_missing_ -= data.size();
  if (chunk_missing_ == 0) state_ = State::kDataEnd;
  return {Event::kData, data.size(), data, kNone};
}

ChunkDecoder::Step ChunkDecoder::next_trailers(std::string_view bytes) {
  const auto scan = trailers_.scan(bytes);
  overhead_bytes_ += scan.bytes;
  if (overhead_bytes_ > limits::kChunkOverheadBytesMax) {
    return {Event::kRefused, scan.bytes, {}, kEndlessOverhead};
  }
  switch (scan.verdict) {
    case LineScanner::Verdict::kMore:
      return {Event::kNeedsMore, scan.bytes, {}, kNone};
    case LineScanner::Verdict::kEnd:
      return {Event::kComplete, scan.bytes, {}, kNone};
    case LineScanner::Verdict::kRefused:
      break;
  }
  return {Event::kRefused, scan.bytes, {}, scan.refusal};
}

}  // namespace mana_sync::http
