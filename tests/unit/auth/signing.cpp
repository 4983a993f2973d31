#include "signing.h"

#include <sodium.h>

#include <span>
#include <utility>

#include "mana_sync/base/check.h"

namespace mana_sync::auth::testing {
namespace {

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string base64url(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string out(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), kVariant);
  out.pop_back();  // the terminating NUL
  return out;
}

TestKey::TestKey(std::string kid, uint8_t seed_byte) : kid_(std::move(kid)) {
  std::array<uint8_t, 32> seed;
  seed.fill(seed_byte);
  crypto_sign_seed_keypair(public_key_.data(), secret_key_.data(), seed.data());
}

TestKey TestKey::rfc8037(std::string kid) {
  std::array<uint8_t, 32> seed;
  size_t written = 0;
  constexpr std::string_view kD = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
  MANA_CHECK(sodium_base642bin(seed.data(), seed.size(), kD.data(), kD.size(), nullptr, &written,
                               nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0);
  TestKey key;
  key.kid_ = std::move(kid);
  crypto_sign_seed_keypair(key.public_key_.data(), key.secret_key_.data(), seed.data());
  return key;
}

std::string TestKey::jwk(std::string_view extra) const {
  return R"({"kty":"OKP","crv":"Ed25519","kid":")" + kid_ + R"(","x":")" +
         base64url(text_of(public_key_)) + "\"" + std::string(extra) + "}";
}

std::string TestKey::header() const {
  return R"({"alg":"EdDSA","kid":")" + kid_ + "\"}";
}

std::string TestKey::sign_raw(std::string_view header_part, std::string_view claims_part) const {
  const std::string signed_part = std::string(header_part) + "." + std::string(claims_part);
  std::array<uint8_t, 64> signature;
  crypto_sign_detached(signature.data(), nullptr,
                       reinterpret_cast<const unsigned char*>(signed_part.data()),
                       signed_part.size(), secret_key_.data());
  return signed_part + "." + base64url(text_of(signature));
}

std::string TestKey::sign(std::string_view header_json, std::string_view claims_json) const {
  return sign_raw(base64url(header_json), base64url(claims_json));
}

std::string jwks_of(const std::vector<std::string>& keys) {
  std::string out = R"({"keys":[)";
  for (const std::string& key : keys) {
    if (!out.ends_with('[')) out += ',';
    out += key;
  }
  return out + "]}";
}

std::shared_ptr<const KeySet> key_set_of(const std::vector<TestKey>& keys) {
  std::vector<std::string> jwks;
  for (const TestKey& key : keys) jwks.push_back(key.jwk());
  auto parsed = KeySet::parse(jwks_of(jwks));
  MANA_CHECK(parsed.has_value());
  return *parsed;
}

}  // namespace mana_sync::auth::testing
