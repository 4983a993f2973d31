// Takes a chunked body apart (RFC 9112 §7.1), strictly; extensions and trailers are dropped. Not
// llhttp's: version 8.1 refuses a second chunk extension and a space within a quoted one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "line_scanner.h"
#include "refusal.h"

namespace mana_sync::http {

class ChunkDecoder {
 public:
  enum class Event { kNeedsMore, kData, kComplete, kRefused };
  struct Step {
    Event event;
    size_t consumed;        // bytes taken, `data` among them
    std::string_view data;  // kData: the next bytes of the body
    Refusal refusal;        // kRefused
  };

  // Expects the body's first byte. A body of more than `body_bytes_max` is refused with 413.
  void begin(size_t body_bytes_max);
  // REQUIRES: no kComplete or kRefused since begin().
  [[nodiscard]] Step next(std::string_view bytes);

 private:
  enum class State : uint8_t {
    kSize,          // in the digits of a chunk's size
    kExtension,     // behind them
    kSizeLineFeed,  // after the size line's CR
    kData,          // in a chunk's bytes
    kDataEnd,       // after them: CR
    kDataLineFeed,  // and LF
    kTrailers,
  };

  // Take one byte of a chunk's framing; a status of 0 is no refusal.
  [[nodiscard]] Refusal take_framing(char c);
  [[nodiscard]] Refusal take_size_digit(char c);
  [[nodiscard]] Step next_data(std::string_view bytes);
  [[nodiscard]] Step next_trailers(std::string_view bytes);

  State state_ = State::kSize;
  int size_digits_ = 0;
  uint64_t chunk_missing_ = 0;     // bytes of this chunk still to come
  uint64_t body_missing_max_ = 0;  // bytes that the body may still grow by
  size_t overhead_bytes_ = 0;      // extensions and trailers
  LineScanner trailers_;
};

}  // namespace mana_sync::http
