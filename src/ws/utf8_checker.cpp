#include "utf8_checker.h"

#include <cstddef>
#include <cstring>

namespace mana_sync::ws {
namespace {

// How many bytes at the front of `bytes` are ASCII, or a little fewer.
size_t ascii_prefix(std::string_view bytes) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t count = 0;
  for (uint64_t word; count + sizeof(word) <= bytes.size(); count += sizeof(word)) {
    std::memcpy(&word, bytes.data() + count, sizeof(word));
    if ((word & kHighBits) != 0) break;
  }
  return count;
}

}  // namespace

bool Utf8Checker::feed(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (continuations_ == 0) {
      i += ascii_prefix(bytes.substr(i));
      if (i == bytes.size()) break;
      if (!begin_character(static_cast<uint8_t>(bytes[i]))) return false;
      continue;
    }
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (byte < low_ || byte > high_) return false;
    --continuations_;
    low_ = 0x80;
    high_ = 0xbf;
  }
  return true;
}

bool Utf8Checker::begin_character(uint8_t lead) {
  if (lead < 0x80) return true;
  if (lead < 0xc2 || lead > 0xf4) return false;
  continuations_ = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  // No overlong forms, no surrogates, nothing past U+10FFFF.
  if (lead == 0xe0) low_ = 0xa0;
  if (lead == 0xed) high_ = 0x9f;
  if (lead == 0xf0) low_ = 0x90;
  if (lead == 0xf4) high_ = 0x8f;
  return true;
}

}  // namespace mana_sync::ws
