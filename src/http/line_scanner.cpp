#include "line_scanner.h"

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

}  // namespace

LineScanner::Scan LineScanner::scan(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
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
        if (is_token_byte(c)) break;
        if (c != ' ') return {Verdict::kRefused, i, kBadMethod};
        state_ = State::kText;
        break;
      case State::kName:
        if (is_token_byte(c)) break;
        if (c != ':') return {Verdict::kRefused, i, kBadName};
        state_ = State::kText;
        break;
      case State::kText:
        if (is_line_text(c)) break;
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
