// What the fuzzers share. Each file `NAME_fuzz.cpp` is one: libFuzzer calls it with bytes of its
// own making (tools/test --fuzz), `replay_main.cpp` with those of `corpus/NAME` (every build of the
// tests). It ends the process where an answer is not what it must be, whatever the bytes were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

// Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace mana_sync::fuzz {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Takes the first line of `text`, without its line end.
inline std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return line;
}

}  // namespace mana_sync::fuzz
