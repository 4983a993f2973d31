#include "mana_sync/auth/key_set.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sodium.h>

#include <optional>

#include "base64url.h"
#include "mana_sync/base/check.h"

namespace mana_sync::auth {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

struct UsableKey {
  std::string_view kid;
  PublicKey key;
};

// RFC 7517 §4: member names of a key must be unique.
bool has_unique_names(const object& members) {
  absl::flat_hash_set<std::string_view> names;
  for (const auto member : members) {
    if (!names.insert(member.key).second) return false;
  }
  return true;
}

// nullopt if the member is missing or no string.
std::optional<std::string_view> string_of(const object& members, std::string_view name) {
  std::string_view text;
  if (members.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

bool is_absent_or(const object& members, std::string_view name, std::string_view expected) {
  return members.at_key(name).error() == simdjson::NO_SUCH_FIELD ||
         string_of(members, name) == expected;
}

std::optional<UsableKey> read_key(const element& json) {
  object members;
  if (json.get(members) != simdjson::SUCCESS || !has_unique_names(members)) return std::nullopt;
  if (string_of(members, "kty") != "OKP" || string_of(members, "crv") != "Ed25519" ||
      !is_absent_or(members, "use", "sig") || !is_absent_or(members, "alg", "EdDSA")) {
    return std::nullopt;
  }
  const std::string_view kid = string_of(members, "kid").value_or("");
  const std::string_view x = string_of(members, "x").value_or("");
  UsableKey usable{kid, {}};
  if (kid.empty() || !decode_base64url(x, usable.key)) return std::nullopt;
  // On the curve, canonical, of the prime-order group.
  if (crypto_core_ed25519_is_valid_point(usable.key.data()) != 1) return std::nullopt;
  return usable;
}

}  // namespace

Result<std::shared_ptr<const KeySet>> KeySet::parse(std::string_view jwks) {
  MANA_CHECK(sodium_init() >= 0);
  simdjson::dom::parser parser;
  element document;
  if (parser.parse(jwks.data(), jwks.size()).get(document) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalid, "not JSON");
  }
  simdjson::dom::array keys;
  if (document["keys"].get(keys) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalid, "not an object with an array `keys`");
  }
  auto set = std::make_shared<KeySet>();
  for (const element json : keys) {
    const std::optional<UsableKey> usable = read_key(json);
    if (!usable || !set->keys_.emplace(usable->kid, usable->key).second) ++set->skipped_;
  }
  if (set->keys_.empty()) {
    return fail(ErrorCode::kInvalid, fmt::format("no usable key among {}", set->skipped_));
  }
  return set;
}

const PublicKey* KeySet::find(std::string_view kid) const {
  const auto found = keys_.find(kid);
  return found == keys_.end() ? nullptr : &found->second;
}

}  // namespace mana_sync::auth
