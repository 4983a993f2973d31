// Tokens from strangers, and tokens that an issuer signed with any header and claims (PROTOCOL 1.2,
// 1.3, 1.5).
#include <simdjson.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "fuzz.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/check.h"
#include "signing.h"

namespace mana_sync::fuzz {
namespace {

using auth::testing::base64url;
using auth::testing::TestKey;

// The members of a JSON object; nullopt where simdjson does not take all of it for one.
std::optional<simdjson::dom::object> members_of(simdjson::dom::parser& parser,
                                                std::string_view json) {
  simdjson::dom::object members;
  if (parser.parse(json.data(), json.size()).get_object().get(members) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return members;
}

void expect_unique_names(const simdjson::dom::object& members) {
  std::set<std::string_view> names;
  for (const auto member : members) MANA_CHECK(names.insert(member.key).second);
}

void expect_allowed_header(std::string_view json, std::string_view kid) {
  simdjson::dom::parser parser;
  const auto members = members_of(parser, json);
  if (!members) return;  // broken in a member that nobody asks for
  expect_unique_names(*members);
  MANA_CHECK(members->at_key("alg").get_string().value() == "EdDSA");
  MANA_CHECK(members->at_key("kid").get_string().value() == kid);
  MANA_CHECK(members->at_key("crit").error() == simdjson::NO_SUCH_FIELD);
  bool is_encoded = true;
  MANA_CHECK(members->at_key("b64").get(is_encoded) == simdjson::NO_SUCH_FIELD || is_encoded);
}

void expect_allowed_claims(std::string_view json, const auth::Claims& claims) {
  MANA_CHECK(!claims.subject.empty() && claims.subject.size() <= 255);
  MANA_CHECK(claims.subject.find('\0') == std::string::npos);
  MANA_CHECK(simdjson::validate_utf8(claims.subject));
  simdjson::dom::parser parser;
  const auto members = members_of(parser, json);
  if (!members) return;
  expect_unique_names(*members);
  MANA_CHECK(members->at_key("sub").get_string().value() == claims.subject);
  for (const char* const name : {"exp", "nbf"}) {
    simdjson::dom::element value;
    MANA_CHECK(members->at_key(name).get(value) == simdjson::NO_SUCH_FIELD || value.is_number());
  }
}

// As a stranger would send it.
void read_token(std::string_view token) {
  const auto parsed = auth::parse_token(token);
  if (!parsed) {
    MANA_CHECK(parsed.error().code == ErrorCode::kUnauthorized);
    return;
  }
  // Only one spelling of each token is taken.
  const std::string_view header = parsed->signed_part.substr(0, parsed->signed_part.find('.'));
  const std::string rest = "." + base64url(parsed->claims_json) + "." +
                           base64url({reinterpret_cast<const char*>(parsed->signature.data()),
                                      parsed->signature.size()});
  MANA_CHECK(token == std::string(header) + rest);
}

class Issuer {
 public:
  Issuer() { authenticator_.on_keys(auth::testing::key_set_of({key_})); }

  // A token that the issuer signed is taken if it is what PROTOCOL allows, and then remembered;
  // with one bit changed, never.
  void issue(std::string_view header, std::string_view claims) {
    const std::string token = key_.sign(header, claims);
    read_token(token);
    const auto identity = authenticate(token);
    MANA_CHECK(authenticate(token) == identity);
    const auto parsed = auth::parse_token(token);
    if (!parsed) {
      MANA_CHECK(identity == nullptr);
      return;
    }
    expect_allowed_header(header, parsed->kid);
    const auto read = auth::parse_claims(claims, {});
    if (read) expect_allowed_claims(claims, *read);
    if (identity == nullptr) return;
    MANA_CHECK(read && read->subject == identity->user_id && parsed->kid == key_.kid());
    MANA_CHECK(auth::check_times(read->times, clock_.wall_us()).has_value());
    expect_refused_if_changed(token);
  }

 private:
  std::shared_ptr<const auth::Identity> authenticate(std::string_view token) {
    std::shared_ptr<const auth::Identity> identity;
    authenticator_.authenticate(token, [&](auth::AuthResult result) {
      if (result) identity = *result;
    });
    if (std::exchange(is_fetch_requested_, false)) authenticator_.on_fetch_failed();
    return identity;
  }

  void expect_refused_if_changed(std::string token) {
    token[token.size() / 2] = static_cast<char>(token[token.size() / 2] ^ 1);
    MANA_CHECK(authenticate(token) == nullptr);
  }

  const TestKey key_{"key-1", 1};
  ManualClock clock_{1'700'000'000'000'000};
  Metrics metrics_;
  bool is_fetch_requested_ = false;
  auth::Authenticator authenticator_{{}, clock_, metrics_, [this] { is_fetch_requested_ = true; }};
};

}  // namespace
}  // namespace mana_sync::fuzz

// A token, or, in two lines, the header and the claims of one that is signed.
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  static const auto issuer = std::make_unique<fuzz::Issuer>();
  std::string_view rest = fuzz::text_of(data, size);
  fuzz::read_token(rest);
  const std::string_view header = fuzz::take_line(rest);
  if (!rest.empty()) issuer->issue(header, rest);
  return 0;
}
