// JSON Web Tokens: EdDSA over Ed25519 only (RFC 7519, RFC 8037; PROTOCOL 1.2, 1.3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/auth/key_set.h"
#include "mana_sync/base/result.h"

namespace mana_sync::auth {

// The parts of a token that was read but not verified yet. Trust nothing in it but `kid`, which
// selects a key.
struct ParsedToken {
  std::string kid;
  std::string_view signed_part;  // `header.payload` as sent, borrowed from the token
  std::array<uint8_t, 64> signature;
  std::string claims_json;
};

// When a token counts, without the leeway; seconds since 1970.
struct TokenTimes {
  std::optional<double> expires_at_s{};
  std::optional<double> not_before_s{};
};

struct Claims {
  std::string subject;  // 1..255 bytes of UTF-8, without NUL
  TokenTimes times{};
};

struct ClaimRules {
  std::string issuer;    // empty: `iss` is not looked at
  std::string audience;  // empty: `aud` is not looked at
};

// Refuses what PROTOCOL 1.2 refuses in the shape and the header. kUnauthorized, with a reason that
// is safe to send.
[[nodiscard]] Result<ParsedToken> parse_token(std::string_view token);

// False too for a key or a signature that libsodium rejects: small order, non-canonical.
[[nodiscard]] bool verify_signature(const ParsedToken& token, const PublicKey& key);

// Checks types, `iss`, `aud` (PROTOCOL 1.3); times are returned, not checked. Only these claims are
// looked into: a lone surrogate or a huge number in another one is the issuer's business.
// kUnauthorized, with a reason that is safe to send.
[[nodiscard]] Result<Claims> parse_claims(std::string_view claims_json, const ClaimRules& rules);

// `exp` and `nbf` with the leeway of PROTOCOL 1.3. kUnauthorized: "token expired" or "token not
// valid yet".
[[nodiscard]] Result<void> check_times(const TokenTimes& times, int64_t now_us);

}  // namespace mana_sync::auth
