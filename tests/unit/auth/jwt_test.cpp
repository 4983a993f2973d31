#include "mana_sync/auth/jwt.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "mana_sync/base/limits.h"
#include "signing.h"

namespace mana_sync::auth {
namespace {

using testing::base64url;
using testing::TestKey;

const TestKey kKey("k1", 1);

void expect_header_refused(const std::string& header) {
  const auto parsed = parse_token(kKey.sign(header, R"({"sub":"u"})"));
  ASSERT_FALSE(parsed) << header;
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnauthorized) << header;
}

void expect_claims_refused(const std::string& claims, const ClaimRules& rules = {}) {
  const auto parsed = parse_claims(claims, rules);
  ASSERT_FALSE(parsed) << claims;
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnauthorized) << claims;
}

// --- Shape and header: PROTOCOL 1.2 ---

TEST(ParseToken, ReadsAProperToken) {
  const std::string token =
      kKey.sign(R"({"typ":"JWT","alg":"EdDSA","kid":"k1"})", R"({"sub":"u"})");
  const auto parsed = parse_token(token);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->kid, "k1");
  EXPECT_EQ(parsed->claims_json, R"({"sub":"u"})");
  EXPECT_EQ(parsed->signed_part, token.substr(0, token.rfind('.')));
  EXPECT_TRUE(verify_signature(*parsed, kKey.public_key()));
}

TEST(ParseToken, RefusesEveryOtherAlgorithm) {
  for (const char* alg :
       {"\"none\"", "\"None\"", "\"HS256\"", "\"RS256\"", "\"ES256\"", "\"Ed25519\"", "\"eddsa\"",
        "\"EdDSA \"", "\"\"", "null", "1", "[\"EdDSA\"]"}) {
    expect_header_refused(std::string(R"({"kid":"k1","alg":)") + alg + "}");
  }
  expect_header_refused(R"({"kid":"k1"})");
}

TEST(ParseToken, RefusesNoneWithAnEmptySignature) {
  const std::string token =
      base64url(R"({"alg":"none","kid":"k1"})") + "." + base64url(R"({"sub":"u"})") + ".";
  EXPECT_FALSE(parse_token(token));
}

TEST(ParseToken, RefusesAHeaderWithoutKid) {
  expect_header_refused(R"({"alg":"EdDSA"})");
  expect_header_refused(R"({"alg":"EdDSA","kid":""})");
  expect_header_refused(R"({"alg":"EdDSA","kid":null})");
  expect_header_refused(R"({"alg":"EdDSA","kid":7})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"\ud800"})");
}

TEST(ParseToken, RefusesCrit) {
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","crit":["exp"],"exp":9})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","crit":[]})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","crit":null})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","cri\u0074":["b64"]})");
}

TEST(ParseToken, RefusesB64False) {
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","b64":false})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","b64":"false"})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","b64":null})");
}

TEST(ParseToken, RefusesAHeaderMemberTwice) {
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","kid":"k1"})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","alg":"none"})");
  expect_header_refused(R"({"alg":"none","kid":"k1","alg":"EdDSA"})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","\u006bid":"k2"})");
  expect_header_refused(R"({"alg":"EdDSA","kid":"k1","x":1,"x":1})");
}

TEST(ParseToken, RefusesAHeaderThatIsNoJsonObject) {
  for (const char* header :
       {"", " ", "null", "[]", "\"EdDSA\"", "{", "}", R"({"alg":"EdDSA","kid":"k1")",
        R"({"alg":"EdDSA","kid":"k1"}})", R"({"alg":"EdDSA","kid":"k1"}{})",
        R"({"alg":"EdDSA","kid":"k1"} x)", R"({"alg":"EdDSA","kid":"k1",})",
        R"({"alg":"EdDSA" "kid":"k1"})", R"({"alg":"EdDSA","kid"})", R"({alg:"EdDSA","kid":"k1"})",
        "\xef\xbb\xbf{\"alg\":\"EdDSA\",\"kid\":\"k1\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"k1\xff\"}"}) {
    expect_header_refused(header);
  }
}

TEST(ParseToken, RefusesPartsThatAreNotCanonicalBase64Url) {
  const std::string header = base64url(kKey.header());
  const std::string claims = base64url(R"({"sub":"u"})");
  const std::string good = kKey.sign_raw(header, claims);
  ASSERT_TRUE(parse_token(good));

  EXPECT_FALSE(parse_token(kKey.sign_raw(header + "=", claims)));
  EXPECT_FALSE(parse_token(kKey.sign_raw(header, claims + "=")));
  EXPECT_FALSE(parse_token(kKey.sign_raw(" " + header, claims)));
  EXPECT_FALSE(parse_token(kKey.sign_raw(header, claims + "\n")));
  EXPECT_FALSE(parse_token(kKey.sign_raw(header, "+" + claims)));
  EXPECT_FALSE(parse_token(good + "="));
  EXPECT_FALSE(parse_token(good + "=="));
  EXPECT_FALSE(parse_token(good + " "));

  // 64 bytes take 86 characters, the last of which has four unused bits: 15 other spellings.
  std::string respelled = good;
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  respelled.back() = alphabet[alphabet.find(good.back()) + 1];
  EXPECT_FALSE(parse_token(respelled));
}

TEST(ParseToken, RefusesOtherThanThreeParts) {
  const std::string good = kKey.sign(R"({"sub":"u"})");
  const std::string signed_part = good.substr(0, good.rfind('.'));
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("..."), std::string("x"),
        signed_part, signed_part + ".", good + ".", good + "." + good, "." + good,
        good.substr(good.find('.'))}) {
    EXPECT_FALSE(parse_token(token)) << token;
  }
}

TEST(ParseToken, RefusesASignatureOfAnotherLength) {
  const std::string good = kKey.sign(R"({"sub":"u"})");
  const std::string signed_part = good.substr(0, good.rfind('.') + 1);
  EXPECT_FALSE(parse_token(signed_part + base64url(std::string(63, 's'))));
  EXPECT_FALSE(parse_token(signed_part + base64url(std::string(65, 's'))));
  EXPECT_TRUE(parse_token(signed_part + base64url(std::string(64, 's'))));
}

TEST(ParseToken, TakesTokensUpTo14KiB) {
  const std::string empty = kKey.sign(R"({"sub":"u","x":""})");
  const size_t spare = limits::kTokenBytesMax - empty.size();
  const auto padded = [&](size_t bytes) {
    return kKey.sign(R"({"sub":"u","x":")" + std::string(bytes, 'x') + "\"}");
  };
  const std::string largest = padded(spare * 3 / 4);
  ASSERT_GT(largest.size(), limits::kTokenBytesMax - 4);
  ASSERT_LE(largest.size(), limits::kTokenBytesMax);
  const auto parsed = parse_token(largest);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(verify_signature(*parsed, kKey.public_key()));
  EXPECT_TRUE(parse_claims(parsed->claims_json, {}));
  EXPECT_FALSE(parse_token(padded(spare * 3 / 4 + 4)));
}

TEST(ParseToken, SurvivesEveryTruncationAndEveryChangedByte) {
  const std::string good = kKey.sign(R"({"sub":"u","exp":1})");
  for (size_t i = 0; i < good.size(); ++i) EXPECT_FALSE(parse_token(good.substr(0, i))) << i;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto parsed = parse_token(changed);
    EXPECT_FALSE(parsed && verify_signature(*parsed, kKey.public_key())) << i;
  }
}

// --- Signature: PROTOCOL 1.2 ---

TEST(VerifySignature, AcceptsTheExampleOfRfc8037) {  // RFC 8037 appendix A.4
  const TestKey key = TestKey::rfc8037("a");
  const std::string token =
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
  EXPECT_EQ(key.sign(R"({"alg":"EdDSA"})", "Example of Ed25519 signing"), token);
  EXPECT_FALSE(parse_token(token)) << "it has no kid";

  // The same signature, taken from a token whose header parses.
  const std::string stand_in = kKey.sign("{}");
  const std::string carrier =
      stand_in.substr(0, stand_in.rfind('.')) + token.substr(token.rfind('.'));
  auto parsed = parse_token(carrier);
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(verify_signature(*parsed, key.public_key()));
  const std::string signed_part = token.substr(0, token.rfind('.'));
  parsed->signed_part = signed_part;
  EXPECT_TRUE(verify_signature(*parsed, key.public_key()));
  EXPECT_FALSE(verify_signature(*parsed, kKey.public_key()));
}

TEST(VerifySignature, RefusesASignatureThatIsNotReduced) {  // RFC 8032 §5.1.7: malleability
  const std::string token = kKey.sign(R"({"sub":"u"})");
  auto parsed = parse_token(token);
  // S + L, L being the order of the group.
  constexpr std::array<uint8_t, 32> kOrder = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                              0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                              0,    0,    0,    0,    0,    0,    0,    0,
                                              0,    0,    0,    0,    0,    0,    0,    0x10};
  ASSERT_TRUE(parsed && verify_signature(*parsed, kKey.public_key()));
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += parsed->signature[32 + i] + kOrder[i];
    parsed->signature[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(verify_signature(*parsed, kKey.public_key()));
}

TEST(VerifySignature, RefusesASmallOrderKeyThatVerifiesAnything) {
  const std::string token = kKey.sign(R"({"sub":"u"})");
  auto parsed = parse_token(token);
  ASSERT_TRUE(parsed);
  PublicKey neutral{};
  neutral[0] = 1;
  parsed->signature.fill(0);
  parsed->signature[0] = 1;  // R = neutral, S = 0
  EXPECT_FALSE(verify_signature(*parsed, neutral));
}

// --- Claims: PROTOCOL 1.3 ---

TEST(ParseClaims, ReadsSubjectAndTimes) {
  const auto claims = parse_claims(R"({"iat":1,"sub":"u\u0031é","exp":1700000000.5,"nbf":-3})", {});
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->subject, "u1é");
  EXPECT_EQ(claims->times.expires_at_s, 1700000000.5);
  EXPECT_EQ(claims->times.not_before_s, -3.0);
}

TEST(ParseClaims, ExpAndNbfAreOptional) {
  const auto claims = parse_claims(R"({"sub":"u"})", {});
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->times.expires_at_s, std::nullopt);
  EXPECT_EQ(claims->times.not_before_s, std::nullopt);
}

TEST(ParseClaims, RefusesABadSubject) {
  expect_claims_refused("{}");
  expect_claims_refused(R"({"sub":""})");
  expect_claims_refused(R"({"sub":null})");
  expect_claims_refused(R"({"sub":7})");
  expect_claims_refused(R"({"sub":["u"]})");
  expect_claims_refused(R"({"sub":"a\u0000b"})");
  expect_claims_refused(R"({"sub":"a\ud800"})");
  expect_claims_refused(R"({"sub":"\udc00a"})");
  expect_claims_refused(R"({"sub":"\udc00\ud800"})");
  expect_claims_refused("{\"sub\":\"\xed\xa0\x80\"}");
  expect_claims_refused("{\"sub\":\"\xff\"}");
  expect_claims_refused(R"({"sub":")" + std::string(256, 'u') + "\"}");
}

TEST(ParseClaims, TakesASubjectOf255BytesAndAnyUnicode) {
  EXPECT_TRUE(parse_claims(R"({"sub":")" + std::string(255, 'u') + "\"}", {}));
  const auto claims = parse_claims(R"({"sub":"\ud83d\ude00"})", {});
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->subject, "\xf0\x9f\x98\x80");
}

TEST(ParseClaims, RefusesTimesThatAreNoNumbers) {
  for (const char* time :
       {"null", "\"1700000000\"", "true", "[]", "{}", "1e999", "0x1", "-", "1.", "+1"}) {
    expect_claims_refused(std::string(R"({"sub":"u","exp":)") + time + "}");
    expect_claims_refused(std::string(R"({"sub":"u","nbf":)") + time + "}");
  }
}

TEST(ParseClaims, RefusesAClaimTwice) {
  expect_claims_refused(R"({"sub":"u","sub":"u"})");
  expect_claims_refused(R"({"sub":"u","exp":9999999999,"\u0065xp":1})");
  expect_claims_refused(R"({"sub":"u","x":1,"x":2})");
}

TEST(ParseClaims, LooksAtTheTopLevelOnly) {
  const auto claims =
      parse_claims(R"({"a":{"sub":"v","sub":"w"},"sub":"u","b":[{"exp":"x"}]})", {});
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->subject, "u");
  EXPECT_EQ(claims->times.expires_at_s, std::nullopt);
}

TEST(ParseClaims, DoesNotMindOddValuesOfOtherClaims) {
  EXPECT_TRUE(parse_claims(
      R"({"name":"cut \ud83d","n":123456789012345678901234567890,"e":1e999,"sub":"u"})", {}));
}

TEST(ParseClaims, RefusesWhatIsNoJsonObject) {
  for (const char* claims : {"", "null", "[]", "\"u\"", R"({"sub":"u")", R"({"sub":"u"}x)",
                             R"({"sub":"u"}{})", R"({"sub":"u",})", "sub"}) {
    expect_claims_refused(claims);
  }
}

TEST(ParseClaims, IssuerIsEnforcedWhereItIsSet) {
  EXPECT_TRUE(parse_claims(R"({"sub":"u","iss":"other"})", {}));
  EXPECT_TRUE(parse_claims(R"({"sub":"u","iss":7})", {}));
  const ClaimRules rules{.issuer = "https://id", .audience = ""};
  EXPECT_TRUE(parse_claims(R"({"sub":"u","iss":"https://id"})", rules));
  expect_claims_refused(R"({"sub":"u"})", rules);
  expect_claims_refused(R"({"sub":"u","iss":"https://id/"})", rules);
  expect_claims_refused(R"({"sub":"u","iss":["https://id"]})", rules);
  expect_claims_refused(R"({"sub":"u","iss":null})", rules);
}

TEST(ParseClaims, AudienceIsEnforcedWhereItIsSet) {
  EXPECT_TRUE(parse_claims(R"({"sub":"u","aud":"other"})", {}));
  const ClaimRules rules{.issuer = "", .audience = "mana"};
  EXPECT_TRUE(parse_claims(R"({"sub":"u","aud":"mana"})", rules));
  EXPECT_TRUE(parse_claims(R"({"sub":"u","aud":["a","mana","b"],"exp":5})", rules));
  EXPECT_TRUE(parse_claims(R"({"aud":["mana",7],"sub":"u"})", rules));
  expect_claims_refused(R"({"sub":"u"})", rules);
  expect_claims_refused(R"({"sub":"u","aud":"mana2"})", rules);
  expect_claims_refused(R"({"sub":"u","aud":[]})", rules);
  expect_claims_refused(R"({"sub":"u","aud":["a",["mana"]]})", rules);
  expect_claims_refused(R"({"sub":"u","aud":{"mana":true}})", rules);
}

TEST(CheckTimes, ExpAndNbfHave30SecondsOfLeeway) {
  constexpr int64_t kNowUs = 1'700'000'000'000'000;
  const auto expires_at = [&](double s) { return check_times({s, std::nullopt}, kNowUs); };
  const auto not_before = [&](double s) { return check_times({std::nullopt, s}, kNowUs); };
  EXPECT_TRUE(check_times({}, kNowUs));
  EXPECT_TRUE(expires_at(1'700'000'001));
  EXPECT_TRUE(expires_at(1'699'999'971));
  EXPECT_FALSE(expires_at(1'699'999'970));
  EXPECT_EQ(expires_at(0).error().message, "token expired");
  EXPECT_FALSE(expires_at(-1e300));
  EXPECT_TRUE(expires_at(1e300));
  EXPECT_TRUE(not_before(1'700'000'030));
  EXPECT_FALSE(not_before(1'700'000'030.5));
  EXPECT_EQ(not_before(1e300).error().message, "token not valid yet");
  EXPECT_EQ(not_before(1e300).error().code, ErrorCode::kUnauthorized);
}

}  // namespace
}  // namespace mana_sync::auth
