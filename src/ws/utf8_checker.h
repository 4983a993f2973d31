// UTF-8 (RFC 3629 §4) that comes in pieces.
#pragma once

#include <cstdint>
#include <string_view>

namespace mana_sync::ws {

class Utf8Checker {
 public:
  // False as soon as a byte cannot be part of any valid text, be its character complete or not;
  // then nothing more may be fed.
  [[nodiscard]] bool feed(std::string_view bytes);
  // The text may end here.
  [[nodiscard]] bool is_complete() const { return continuations_ == 0; }

 private:
  [[nodiscard]] bool begin_character(uint8_t lead);

  uint8_t continuations_ = 0;  // that are still to come
  uint8_t low_ = 0x80;         // what the next of them may be
  uint8_t high_ = 0xbf;
};

}  // namespace mana_sync::ws
