// The issuer's public keys (PROTOCOL 1.2, 1.4): an immutable snapshot of one JWKS.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "mana_sync/base/result.h"

namespace mana_sync::auth {

using PublicKey = std::array<uint8_t, 32>;

class KeySet {
 public:
  // Parses a JWKS document. Unusable keys (wrong kty or crv, no kid, bad x, a point libsodium
  // rejects, `use` other than sig, `alg` other than EdDSA, a member name twice) are skipped; of two
  // with one kid the first counts. kInvalid if no usable key is left, saying why.
  [[nodiscard]] static Result<std::shared_ptr<const KeySet>> parse(std::string_view jwks);

  // nullptr if there is none.
  [[nodiscard]] const PublicKey* find(std::string_view kid) const;
  [[nodiscard]] size_t size() const { return keys_.size(); }
  [[nodiscard]] size_t skipped() const { return skipped_; }

 private:
  std::map<std::string, PublicKey, std::less<>> keys_;
  size_t skipped_ = 0;
};

}  // namespace mana_sync::auth
