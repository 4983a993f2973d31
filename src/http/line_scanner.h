// Reads a header block (or the trailers of a chunked body) byte by byte, beside llhttp: finds its
// end, and refuses what PROTOCOL 9.3 calls ambiguous and llhttp lets pass, or does not read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "refusal.h"

namespace mana_sync::http {

// What may stand in a line: visible ASCII, space, tab, and bytes over 0x7f, which llhttp allows in
// header values alone.
[[nodiscard]] constexpr bool is_line_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

// Whether a byte is one of a token, by its value.
inline constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> is_token{};
  for (unsigned char c = '0'; c <= '9'; ++c) is_token[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) is_token[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) is_token[c] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) is_token[static_cast<size_t>(c)] = true;
  return is_token;
}();

// RFC 9110 §5.6.2: what methods and names of headers are made of.
[[nodiscard]] constexpr bool is_token_byte(char c) {
  return kTokenBytes[static_cast<unsigned char>(c)];
}

class LineScanner {
 public:
  enum class Verdict { kMore, kEnd, kRefused };
  struct Scan {
    Verdict verdict;
    // kEnd: up to and with the empty line. kRefused: before the byte that was refused.
    size_t bytes;
    Refusal refusal;
  };

  // A request line (empty lines before it are skipped, RFC 9112 §2.2) whose method is a token and
  // ends at the first space, then header lines.
  void begin_head() { restart(State::kBefore); }
  // Header lines alone: a name that is a token, its colon, anything.
  void begin_trailers() { restart(State::kLineStart); }

  // The next bytes of the block. REQUIRES: no kEnd or kRefused since the last begin.
  [[nodiscard]] Scan scan(std::string_view bytes);

 private:
  enum class State : uint8_t {
    kBefore,          // no byte of the request line yet
    kBeforeLineFeed,  // CR of an empty line before it
    kMethod,          // in the request line's first word
    kName,            // in a header's name
    kText,            // in the rest of a line
    kLineFeed,        // after a line's CR
    kLineStart,       // after a line's end
    kFinalLineFeed,   // after the empty line's CR
  };
  void restart(State state) {
    state_ = state;
    header_lines_ = 0;
  }

  State state_ = State::kBefore;
  size_t header_lines_ = 0;
};

}  // namespace mana_sync::http
