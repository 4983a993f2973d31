#include "base64url.h"

#include <sodium.h>

#include <algorithm>

namespace mana_sync::auth {
namespace {

// How many bytes were written to `out`; nullopt if they do not fit or `text` is not canonical.
std::optional<size_t> decode(std::string_view text, uint8_t* out, size_t out_bytes_max) {
  // libsodium 1.0.18 takes some bytes over 0x7f for letters.
  if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) {
    return std::nullopt;
  }
  size_t written = 0;
  // No ignored characters and no end pointer: libsodium then refuses padding, white space, trailing
  // bytes and unused bits that are not zero.
  const int result = sodium_base642bin(out, out_bytes_max, text.data(), text.size(), nullptr,
                                       &written, nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (result != 0) return std::nullopt;
  return written;
}

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string out(text.size() / 4 * 3 + 3, '\0');
  const std::optional<size_t> written =
      decode(text, reinterpret_cast<uint8_t*>(out.data()), out.size());
  if (!written) return std::nullopt;
  out.resize(*written);
  return out;
}

bool decode_base64url(std::string_view text, std::span<uint8_t> out) {
  return decode(text, out.data(), out.size()) == out.size();
}

}  // namespace mana_sync::auth
