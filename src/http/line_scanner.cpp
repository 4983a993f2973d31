#include "line_scanner.h"

#include <cstring>

#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

constexpr Refusal kBareCarriageReturn{400, "a CR without LF in the request head"};
constexpr Refusal kBareLineFeed{400, "a LF without CR in the request head"};
constexpr Refusal kControlByte{400, "a control byte in the request head"};
constexpr Refusal kFolded{400, "a folded header line"};
constexpr Refusal kNoName{400, "a header without a name"};
constexpr Refusal kBadMethod{400, "malformed request method"};
constexpr Refusal kBadName{400, "malformed header name, or no colon behind it"};
constexpr Refusal kTooManyHeaders{431, "too many headers"};

// Eight bytes at once: each of them is_line_text(), and none is a tab, which is rare.
bool is_plain_text(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr uint64_t kHighBits = 0x80 * kOnes;
  // A byte's high bit is set where it is less than a space, or zero; bytes above one that is may be
  // told wrongly, but not whether there is one.
  const uint64_t less_than_space = (bytes - 0x20 * kOnes) & ~bytes & kHighBits;
  const uint64_t zero_for_delete = bytes ^ (0x7f * kOnes);
  const uint64_t is_delete = (zero_for_delete - kOnes) & ~zero_for_delete & kHighBits;
  return (less_than_space | is_delete) == 0;
}

// The first byte from `at` on that is not is_line_text(), or the end.
size_t find_text_end(std::string_view bytes, size_t at) {
  for (uint64_t next; at + sizeof next <= bytes.size(); at += sizeof next) {
    std::memcpy(&next, bytes.data() + at, sizeof next);
    if (!is_plain_text(next)) break;
  }
  while (at < bytes.size() && is_line_text(bytes[at])) ++at;
  return at;
}

// Likewise for is_token_byte().
size_t find_token_end(std::string_view bytes, size_t at) {
  while (at < bytes.size() && is_token_byte(bytes[at])) ++at;
  return at;
}

}  // namespace

LineScanner::Scan LineScanner::scan(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    // What may go on for long is skipped first; `c` is what it ends with.
    if (state_ == State::kText) {
      i = find_text_end(bytes, i);
    } else if (state_ == State::kMethod || state_ == State::kName) {
      i = find_token_end(bytes, i);
    }
    if (i == bytes.size()) break;
    const char c = bytes[i];
    switch (state_) {
      case State::kBefore:
        if (c == '\r') {
          state_ = State::kBeforeLineFeed;
          break;
        }
        if (!is_token_byte(c)) return {Verdict::kRefused, i, kBadMethod};
        state_ = State::kMethod;
        break;
      case State::kMethod:
        if (c != ' ') return {Verdict::kRefused, i, kBadMethod};
        state_ = State::kText;
        break;
      case State::kName:
        if (c != ':') return {Verdict::kRefused, i, kBadName};
        state_ = State::kText;
        break;
      case State::kText:
        if (c == '\n') return {Verdict::kRefused, i, kBareLineFeed};
        if (c != '\r') return {Verdict::kRefused, i, kControlByte};
        state_ = State::kLineFeed;
        break;
      case State::kBeforeLineFeed:
      case State::kLineFeed:
        if (c != '\n') return {Verdict::kRefused, i, kBareCarriageReturn};
        state_ = state_ == State::kLineFeed ? State::kLineStart : State::kBefore;
        break;
      case State::kLineStart:
        if (c == '\r') {
          state_ = State::kFinalLineFeed;
          break;
        }
        if (c == ' ' || c == '\t') return {Verdict::kRefused, i, kFolded};
        if (c == ':') return {Verdict::kRefused, i, kNoName};
        if (!is_token_byte(c)) return {Verdict::kRefused, i, kBadName};
        if (++header_lines_ > limits::kHeaderCountMax) {
          return {Verdict::kRefused, i, kTooManyHeaders};
        }
        state_ = State::kName;
        break;
      case State::kFinalLineFeed:
        if (c != '\n') return {Verdict::kRefused, i, kBareCarriageReturn};
        return {Verdict::kEnd, i + 1, {}};
    }
  }
  return {Verdict::kMore, bytes.size(), {}};
}

}  // namespace mana_sync::http
