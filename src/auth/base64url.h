// base64url without padding (RFC 4648 §5), as JWS and JWK write it. Only the one canonical spelling
// of each value is accepted (PROTOCOL 1.2): no padding, no white space, no stray trailing bits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mana_sync::auth {

// nullopt: not canonical base64url.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

// False if `text` is not canonical base64url of exactly `out.size()` bytes; `out` is garbage then.
[[nodiscard]] bool decode_base64url(std::string_view text, std::span<uint8_t> out);

}  // namespace mana_sync::auth
