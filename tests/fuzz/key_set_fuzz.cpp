// A JWKS from an issuer that may say anything (PROTOCOL 1.2, 1.4).
#include <simdjson.h>

#include <optional>
#include <set>
#include <string>

#include "fuzz.h"
#include "mana_sync/auth/key_set.h"
#include "mana_sync/base/check.h"
#include "signing.h"

namespace mana_sync::fuzz {
namespace {

std::optional<std::string_view> string_of(const simdjson::dom::element& key,
                                          std::string_view name) {
  std::string_view text;
  if (key.at_key(name).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::string base64url(const auth::PublicKey& key) {
  return auth::testing::base64url({reinterpret_cast<const char*>(key.data()), key.size()});
}

// Of the first usable key with `kid`, `set` has exactly what the document says.
bool names(const simdjson::dom::element& key, std::string_view kid, const auth::PublicKey& held) {
  return string_of(key, "kid") == kid && string_of(key, "kty") == "OKP" &&
         string_of(key, "crv") == "Ed25519" && string_of(key, "x") == base64url(held);
}

void expect_of_document(const auth::KeySet& set, std::string_view jwks) {
  simdjson::dom::parser parser;
  const simdjson::dom::array keys = parser.parse(jwks.data(), jwks.size())["keys"].get_array();
  std::set<std::string_view> held_kids;
  for (const auto key : keys) {
    const std::string_view kid = string_of(key, "kid").value_or("");
    const auth::PublicKey* const held = set.find(kid);
    if (held == nullptr) continue;
    MANA_CHECK(!kid.empty());
    if (names(key, kid, *held)) held_kids.insert(kid);
  }
  MANA_CHECK(held_kids.size() == set.size());
  MANA_CHECK(set.size() + set.skipped() == keys.size());
}

}  // namespace
}  // namespace mana_sync::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  const std::string_view jwks = fuzz::text_of(data, size);
  const auto set = auth::KeySet::parse(jwks);
  if (!set) {
    MANA_CHECK(set.error().code == ErrorCode::kInvalid && !set.error().message.empty());
    return 0;
  }
  MANA_CHECK((*set)->size() > 0);
  fuzz::expect_of_document(**set, jwks);
  return 0;
}
