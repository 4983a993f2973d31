#include "mana_sync/auth/key_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "signing.h"

namespace mana_sync::auth {
namespace {

using testing::base64url;
using testing::jwks_of;
using testing::TestKey;

const TestKey kGood("good", 1);

// PROTOCOL 1.4: the key `jwk` stands in no one's way and is not used.
void expect_skipped(const std::string& jwk) {
  const auto keys = KeySet::parse(jwks_of({jwk, kGood.jwk()}));
  ASSERT_TRUE(keys) << jwk;
  EXPECT_EQ((*keys)->size(), 1u) << jwk;
  EXPECT_EQ((*keys)->skipped(), 1u) << jwk;
  ASSERT_NE((*keys)->find("good"), nullptr) << jwk;
  EXPECT_EQ(*(*keys)->find("good"), kGood.public_key());
  EXPECT_FALSE(KeySet::parse(jwks_of({jwk}))) << jwk;
}

std::string jwk_with_x(std::string_view x) {
  return fmt::format(R"({{"kty":"OKP","crv":"Ed25519","kid":"bad","x":"{}"}})", x);
}

TEST(KeySet, ReadsTheKeyOfRfc8037) {  // RFC 8037 appendix A.2
  const auto keys = KeySet::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
          "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  ASSERT_TRUE(keys);
  ASSERT_NE((*keys)->find("a"), nullptr);
  EXPECT_EQ(*(*keys)->find("a"), TestKey::rfc8037("a").public_key());
  EXPECT_EQ((*keys)->find("b"), nullptr);
  EXPECT_EQ((*keys)->find(""), nullptr);
  EXPECT_EQ((*keys)->skipped(), 0u);
}

TEST(KeySet, TakesKeysThatSayWhatTheyAreFor) {
  const auto keys = KeySet::parse(
      jwks_of({kGood.jwk(R"(,"use":"sig","alg":"EdDSA","key_ops":["verify"],"x5c":[],"n":1)")}));
  ASSERT_TRUE(keys);
  EXPECT_EQ((*keys)->size(), 1u);
}

TEST(KeySet, SkipsKeysOfOtherKindsAndUses) {  // PROTOCOL 1.4
  expect_skipped(R"({"kty":"RSA","kid":"bad","n":"AQAB","e":"AQAB"})");
  expect_skipped(R"({"kty":"EC","crv":"P-256","kid":"bad","x":"AA","y":"AA"})");
  expect_skipped(R"({"kty":"oct","kid":"bad","k":"AAAA"})");
  const std::string x = base64url(std::string_view(
      reinterpret_cast<const char*>(kGood.public_key().data()), kGood.public_key().size()));
  expect_skipped(R"({"kty":"OKP","crv":"X25519","kid":"bad","x":")" + x + "\"}");
  expect_skipped(R"({"kty":"okp","crv":"Ed25519","kid":"bad","x":")" + x + "\"}");
  expect_skipped(R"({"crv":"Ed25519","kid":"bad","x":")" + x + "\"}");
  expect_skipped(R"({"kty":"OKP","kid":"bad","x":")" + x + "\"}");
  const TestKey other("other", 2);
  expect_skipped(other.jwk(R"(,"use":"enc")"));
  expect_skipped(other.jwk(R"(,"use":null)"));
  expect_skipped(other.jwk(R"(,"alg":"ES256")"));
}

TEST(KeySet, SkipsKeysWithoutAKid) {  // PROTOCOL 1.2
  expect_skipped(TestKey("", 2).jwk());
  expect_skipped(
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  expect_skipped(
      R"({"kid":7,"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
}

TEST(KeySet, SkipsWhatIsNoObjectOrSaysAMemberTwice) {
  expect_skipped("7");
  expect_skipped("null");
  expect_skipped("[]");
  expect_skipped("{}");
  expect_skipped(TestKey("other", 2).jwk(R"(,"\u006bid":"third")"));
}

TEST(KeySet, SkipsKeysWithABadX) {
  expect_skipped(R"({"kty":"OKP","crv":"Ed25519","kid":"bad"})");
  expect_skipped(R"({"kty":"OKP","crv":"Ed25519","kid":"bad","x":5})");
  expect_skipped(jwk_with_x(""));
  expect_skipped(jwk_with_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="));  // padding
  expect_skipped(jwk_with_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"));   // trailing bits
  expect_skipped(jwk_with_x("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"));   // alphabet
  expect_skipped(jwk_with_x(base64url(std::string(31, 'a'))));
  expect_skipped(jwk_with_x(base64url(std::string(33, 'a'))));
}

TEST(KeySet, SkipsPointsThatVerifyAnything) {  // PROTOCOL 1.2: a key libsodium rejects
  const std::string zeros(32, '\0');
  std::string one = zeros;
  one[0] = 1;  // the neutral element: small order
  // p + 1: the neutral element, not canonical
  const std::string not_canonical = "\xee" + std::string(30, '\xff') + "\x7f";
  const std::string off_curve = "\x02" + std::string(31, '\0');
  for (const std::string& x : {zeros, one, not_canonical, off_curve}) {
    expect_skipped(jwk_with_x(base64url(x)));
  }
}

TEST(KeySet, FirstOfTwoWithOneKidCounts) {  // PROTOCOL 1.4
  const auto keys = KeySet::parse(jwks_of({TestKey("k", 1).jwk(), TestKey("k", 2).jwk()}));
  ASSERT_TRUE(keys);
  EXPECT_EQ((*keys)->size(), 1u);
  EXPECT_EQ(*(*keys)->find("k"), TestKey("k", 1).public_key());
}

TEST(KeySet, UnusableKeyDoesNotTakeItsKid) {  // PROTOCOL 1.4
  const auto keys =
      KeySet::parse(jwks_of({TestKey("k", 1).jwk(R"(,"use":"enc")"), TestKey("k", 2).jwk()}));
  ASSERT_TRUE(keys);
  EXPECT_EQ(*(*keys)->find("k"), TestKey("k", 2).public_key());
}

TEST(KeySet, RefusesADocumentWithoutAUsableKey) {  // PROTOCOL 1.4
  const std::string good = jwks_of({kGood.jwk()});
  for (const std::string& document :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("7"),
        std::string("{}"), std::string(R"({"keys":{}})"), std::string(R"({"keys":null})"),
        std::string(R"({"keys":[]})"), good + "x", good.substr(0, good.size() - 1), kGood.jwk()}) {
    const auto keys = KeySet::parse(document);
    ASSERT_FALSE(keys) << document;
    EXPECT_EQ(keys.error().code, ErrorCode::kInvalid);
    EXPECT_FALSE(keys.error().message.empty());
  }
}

}  // namespace
}  // namespace mana_sync::auth
