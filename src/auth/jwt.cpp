#include "mana_sync/auth/jwt.h"

#include <absl/container/flat_hash_set.h>
#include <simdjson.h>
#include <sodium.h>

#include "base64url.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::auth {
namespace {

namespace ondemand = simdjson::ondemand;

std::unexpected<Error> refuse(std::string reason) {
  return fail(ErrorCode::kUnauthorized, std::move(reason));
}

// Calls `visit(name, value)`, which returns Result<void>, for each member of the object `json`,
// until one fails. Refuses a name that is there twice, however it is written: other readers of the
// token might take the other value (RFC 7519 §4). `part` names the object in the reason.
template <class Visit>
Result<void> visit_members(std::string_view json, const std::string& part, Visit&& visit) {
  const simdjson::padded_string padded(json);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object members;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document.get_object().get(members) != simdjson::SUCCESS) {
    return refuse(part + " is not a JSON object");
  }
  absl::flat_hash_set<std::string_view> names;
  for (auto member : members) {
    std::string_view name;
    ondemand::value value;
    if (member.unescaped_key().get(name) != simdjson::SUCCESS ||
        member.value().get(value) != simdjson::SUCCESS) {
      return refuse(part + " is not a JSON object");
    }
    if (!names.insert(name).second) return refuse(part + " has a member twice");
    const Result<void> visited = visit(name, value);
    if (!visited) return visited;
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return refuse(part + " is followed by something");
  }
  return {};
}

// nullopt: no string, or one with a lone surrogate.
std::optional<std::string_view> string_of(ondemand::value value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::optional<double> number_of(ondemand::value value) {
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

// The header's `kid`. An embedded key (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.
Result<std::string> read_header(std::string_view json) {
  bool is_eddsa = false;
  std::string kid;
  const Result<void> visited = visit_members(
      json, "token header", [&](std::string_view name, ondemand::value value) -> Result<void> {
        if (name == "alg") {
          is_eddsa = string_of(value) == "EdDSA";
        } else if (name == "kid") {
          kid = string_of(value).value_or("");
        } else if (name == "crit") {
          return refuse("token has a `crit` header");  // RFC 7515 §4.1.11: we know no extension
        } else if (name == "b64") {
          bool is_encoded = false;
          if (value.get_bool().get(is_encoded) != simdjson::SUCCESS || !is_encoded) {
            return refuse("token's payload is not encoded");  // RFC 7797
          }
        }
        return {};
      });
  if (!visited) return std::unexpected(visited.error());
  if (!is_eddsa) return refuse("token's `alg` is not EdDSA");
  if (kid.empty()) return refuse("token has no `kid`");
  return kid;
}

Result<void> check_subject(std::string_view subject) {
  if (subject.empty()) return refuse("token's `sub` is empty");
  if (subject.size() > limits::kSubjectBytesMax) return refuse("token's `sub` is too long");
  if (subject.find('\0') != std::string_view::npos) return refuse("token's `sub` has a NUL");
  return {};
}

// `aud` is a string or an array of strings (RFC 7519 §4.1.3).
bool audience_includes(ondemand::value value, std::string_view audience) {
  ondemand::array entries;
  if (value.get_array().get(entries) != simdjson::SUCCESS) return string_of(value) == audience;
  for (auto entry : entries) {
    std::string_view text;
    if (entry.get_string().get(text) == simdjson::SUCCESS && text == audience) return true;
  }
  return false;
}

}  // namespace

Result<ParsedToken> parse_token(std::string_view token) {
  if (token.size() > limits::kTokenBytesMax) return refuse("token is too long");
  const size_t first_dot = token.find('.');
  const size_t last_dot = token.rfind('.');
  if (first_dot == last_dot || token.find('.', first_dot + 1) != last_dot) {
    return refuse("token does not have three parts");
  }
  ParsedToken parsed;
  parsed.signed_part = token.substr(0, last_dot);
  std::optional<std::string> header = decode_base64url(token.substr(0, first_dot));
  std::optional<std::string> claims =
      decode_base64url(token.substr(first_dot + 1, last_dot - first_dot - 1));
  if (!header || !claims) return refuse("token is not base64url");
  if (!decode_base64url(token.substr(last_dot + 1), parsed.signature)) {
    return refuse("token's signature is not 64 bytes of base64url");
  }
  Result<std::string> kid = read_header(*header);
  if (!kid) return std::unexpected(kid.error());
  parsed.kid = std::move(*kid);
  parsed.claims_json = std::move(*claims);
  return parsed;
}

bool verify_signature(const ParsedToken& token, const PublicKey& key) {
  MANA_CHECK(sodium_init() >= 0);
  return crypto_sign_verify_detached(
             token.signature.data(),
             reinterpret_cast<const unsigned char*>(token.signed_part.data()),
             token.signed_part.size(), key.data()) == 0;
}

Result<Claims> parse_claims(std::string_view claims_json, const ClaimRules& rules) {
  Claims claims;
  bool has_issuer = false;
  bool has_audience = false;
  const Result<void> visited =
      visit_members(claims_json, "token claims",
                    [&](std::string_view name, ondemand::value value) -> Result<void> {
                      if (name == "sub") {
                        const std::optional<std::string_view> subject = string_of(value);
                        if (!subject) return refuse("token's `sub` is not a string");
                        claims.subject = *subject;
                      } else if (name == "exp") {
                        claims.times.expires_at_s = number_of(value);
                        if (!claims.times.expires_at_s)
                          return refuse("token's `exp` is not a number");
                      } else if (name == "nbf") {
                        claims.times.not_before_s = number_of(value);
                        if (!claims.times.not_before_s)
                          return refuse("token's `nbf` is not a number");
                      } else if (name == "iss" && !rules.issuer.empty()) {
                        has_issuer = string_of(value) == rules.issuer;
                      } else if (name == "aud" && !rules.audience.empty()) {
                        has_audience = audience_includes(value, rules.audience);
                      }
                      return {};
                    });
  if (!visited) return std::unexpected(visited.error());
  if (const Result<void> subject = check_subject(claims.subject); !subject) {
    return std::unexpected(subject.error());
  }
  if (!rules.issuer.empty() && !has_issuer) return refuse("token is of another issuer");
  if (!rules.audience.empty() && !has_audience) return refuse("token is for another audience");
  return claims;
}

Result<void> check_times(const TokenTimes& times, int64_t now_us) {
  const double now_s = static_cast<double>(now_us) / 1e6;
  constexpr auto kLeewayS = static_cast<double>(limits::kTokenLeewayS);
  if (times.expires_at_s && now_s >= *times.expires_at_s + kLeewayS) {
    return refuse("token expired");
  }
  if (times.not_before_s && now_s < *times.not_before_s - kLeewayS) {
    return refuse("token not valid yet");
  }
  return {};
}

}  // namespace mana_sync::auth
