// An issuer for tests: real Ed25519 keys, real signatures.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/auth/key_set.h"

namespace mana_sync::auth::testing {

[[nodiscard]] std::string base64url(std::string_view bytes);

class TestKey {
 public:
  // The key pair of the seed that is `seed_byte` 32 times.
  TestKey(std::string kid, uint8_t seed_byte);
  // The key pair of RFC 8037 appendix A.1.
  [[nodiscard]] static TestKey rfc8037(std::string kid);

  [[nodiscard]] const std::string& kid() const { return kid_; }
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }

  // `{"kty":"OKP","crv":"Ed25519","kid":…,"x":…}`; `extra` is added before the closing brace.
  [[nodiscard]] std::string jwk(std::string_view extra = "") const;
  // `{"alg":"EdDSA","kid":…}`.
  [[nodiscard]] std::string header() const;

  // A token of just these bytes, whatever they are, properly signed.
  [[nodiscard]] std::string sign_raw(std::string_view header_part,
                                     std::string_view claims_part) const;
  [[nodiscard]] std::string sign(std::string_view header_json, std::string_view claims_json) const;
  [[nodiscard]] std::string sign(std::string_view claims_json) const {
    return sign(header(), claims_json);
  }

 private:
  TestKey() = default;
  std::string kid_;
  PublicKey public_key_{};
  std::array<uint8_t, 64> secret_key_{};
};

// `{"keys":[…]}`.
[[nodiscard]] std::string jwks_of(const std::vector<std::string>& keys);

// The set of these keys. REQUIRES: at least one.
[[nodiscard]] std::shared_ptr<const KeySet> key_set_of(const std::vector<TestKey>& keys);

}  // namespace mana_sync::auth::testing
