#include "mana_sync/auth/authenticator.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "signing.h"
#include "support/allocation_count.h"

namespace mana_sync::auth {
namespace {

using testing::key_set_of;
using testing::TestKey;

class AuthenticatorTest : public ::testing::Test {
 protected:
  // The answer, if it came already.
  std::shared_ptr<std::optional<AuthResult>> ask(const std::string& token) {
    auto answer = std::make_shared<std::optional<AuthResult>>();
    authenticator_.authenticate(token, [answer](AuthResult result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(result);
    });
    return answer;
  }
  // `accepted USER`, `401`, `503` or `waits`.
  std::string outcome(const std::string& token) { return text_of(*ask(token)); }
  static std::string text_of(const std::optional<AuthResult>& answer) {
    if (!answer) return "waits";
    if (*answer) return "accepted " + (**answer)->user_id.str();
    return (*answer).error().code == ErrorCode::kUnauthorized  ? "401"
           : (*answer).error().code == ErrorCode::kUnavailable ? "503"
                                                               : "?";
  }
  void give_keys(const std::vector<TestKey>& keys) { authenticator_.on_keys(key_set_of(keys)); }
  int64_t metric(const std::string& name) {
    const std::string text = metrics_.render();
    const size_t at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return std::stoll(text.substr(at + name.size() + 2));
  }

  const TestKey key_{"k1", 1};
  const TestKey next_key_{"k2", 2};
  ManualClock clock_{1'700'000'000'000'000};
  Metrics metrics_;
  int fetches_ = 0;
  Authenticator authenticator_{{}, clock_, metrics_, [this] { ++fetches_; }};
};

TEST_F(AuthenticatorTest, AcceptsAProperTokenAndNamesItsUser) {
  give_keys({key_});
  const auto answer = ask(key_.sign(R"({"sub":"ada","exp":1700000060.5})"));
  ASSERT_TRUE(*answer && **answer);
  EXPECT_EQ((**answer)->get()->user_id, "ada");
  EXPECT_EQ((**answer)->get()->times.expires_at_s, 1700000060.5);
}

TEST_F(AuthenticatorTest, WhoWasAcceptedIsRefusedOnceTheTokenOrItsKeyIsOver) {  // PROTOCOL 1.4, 1.5
  give_keys({key_, next_key_});
  const auto of_key = ***ask(key_.sign(R"({"sub":"u","exp":1700000060})"));
  const auto of_next = ***ask(next_key_.sign(R"({"sub":"v"})"));
  EXPECT_TRUE(authenticator_.check_again(*of_key));
  give_keys({next_key_});
  EXPECT_FALSE(authenticator_.check_again(*of_key));
  EXPECT_TRUE(authenticator_.check_again(*of_next));
  give_keys({key_, TestKey("k2", 9)});
  EXPECT_FALSE(authenticator_.check_again(*of_next)) << "another key under the same kid";
  EXPECT_TRUE(authenticator_.check_again(*of_key));
  clock_.advance_us(90'000'000);
  EXPECT_FALSE(authenticator_.check_again(*of_key));
  EXPECT_EQ(metric("mana_sync_tokens_refused_total"), 3);
}

TEST_F(AuthenticatorTest, AcceptsTheKeyOfRfc8037) {
  const TestKey key = TestKey::rfc8037("rfc");
  give_keys({key});
  EXPECT_EQ(outcome(key.sign(R"({"sub":"u"})")), "accepted u");
}

TEST_F(AuthenticatorTest, RefusesASignatureOfAnotherKey) {  // PROTOCOL 1.2
  give_keys({key_, next_key_});
  EXPECT_EQ(outcome(key_.sign(next_key_.header(), R"({"sub":"u"})")), "401");
  EXPECT_EQ(outcome(TestKey("k1", 9).sign(R"({"sub":"u"})")), "401");
}

TEST_F(AuthenticatorTest, NeverUsesAnEmbeddedKey) {  // PROTOCOL 1.2
  give_keys({key_});
  const TestKey forger("k1", 66);
  for (const std::string& extra :
       {fmt::format(R"("jwk":{})", forger.jwk()), std::string(R"("jku":"http://evil/jwks.json")"),
        std::string(R"("x5c":["AAAA"])"), std::string(R"("x5u":"http://evil/")")}) {
    const std::string header = fmt::format(R"({{"alg":"EdDSA","kid":"k1",{}}})", extra);
    EXPECT_EQ(outcome(forger.sign(header, R"({"sub":"u"})")), "401");
    EXPECT_EQ(outcome(key_.sign(header, R"({"sub":"u"})")), "accepted u") << "it is not looked at";
  }
  EXPECT_EQ(fetches_, 0);
}

TEST_F(AuthenticatorTest, RefusesAlteredClaims) {
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"u"})");
  const std::string other = key_.sign(R"({"sub":"v"})");
  EXPECT_EQ(outcome(other.substr(0, other.rfind('.')) + token.substr(token.rfind('.'))), "401");
}

TEST_F(AuthenticatorTest, AppliesTheClaimRules) {  // PROTOCOL 1.3
  Metrics metrics;
  Authenticator strict({"https://id", "mana"}, clock_, metrics, [] {});
  strict.on_keys(key_set_of({key_}));
  std::string seen;
  const auto record = [&](AuthResult result) {
    seen = result ? (*result)->user_id.str() : "refused";
  };
  strict.authenticate(key_.sign(R"({"sub":"u","iss":"https://id","aud":["mana"]})"), record);
  EXPECT_EQ(seen, "u");
  strict.authenticate(key_.sign(R"({"sub":"u","iss":"https://id"})"), record);
  EXPECT_EQ(seen, "refused");
}

TEST_F(AuthenticatorTest, BeforeAnyKeyWasFetched_IsUnavailable) {  // PROTOCOL 1.4
  EXPECT_FALSE(authenticator_.has_keys());
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"u"})")), "503");
  authenticator_.on_fetch_failed();
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"u"})")), "503");
  give_keys({key_});
  EXPECT_TRUE(authenticator_.has_keys());
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"u"})")), "accepted u");
}

TEST_F(AuthenticatorTest, UnknownKidWaitsForOneFetch) {  // PROTOCOL 1.4
  give_keys({key_});
  const auto first = ask(next_key_.sign(R"({"sub":"a"})"));
  const auto second = ask(next_key_.sign(R"({"sub":"b"})"));
  const auto third = ask(TestKey("k3", 3).sign(R"({"sub":"c"})"));
  EXPECT_EQ(fetches_, 1);
  EXPECT_EQ(text_of(*first), "waits");
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"u"})")), "accepted u") << "known keys need no fetch";
  give_keys({key_, next_key_});
  EXPECT_EQ(text_of(*first), "accepted a");
  EXPECT_EQ(text_of(*second), "accepted b");
  EXPECT_EQ(text_of(*third), "401");
  EXPECT_EQ(fetches_, 1);
}

TEST_F(AuthenticatorTest, FetchesAtMostOnceInTenSeconds) {  // PROTOCOL 1.4
  give_keys({key_});
  const std::string unknown = next_key_.sign(R"({"sub":"u"})");
  const auto waiting = ask(unknown);
  give_keys({key_});
  EXPECT_EQ(text_of(*waiting), "401");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(outcome(TestKey(fmt::format("x{}", i), 3).sign(R"({"sub":"u"})")), "401");
  }
  clock_.advance_us(9'999'000);
  EXPECT_EQ(outcome(unknown), "401");
  EXPECT_EQ(fetches_, 1);
  EXPECT_EQ(metric("mana_sync_key_waits_refused_total{bound=\"time\"}"), 101);
  clock_.advance_us(1'000);
  EXPECT_EQ(outcome(unknown), "waits");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(AuthenticatorTest, WallClockThatStepsBackDoesNotHoldUpFetches) {
  give_keys({key_});
  const std::string unknown = next_key_.sign(R"({"sub":"u"})");
  ask(unknown);
  give_keys({key_});
  clock_.advance_us(10'000'000);
  clock_.set_wall_us(0);
  EXPECT_EQ(outcome(unknown), "waits");
}

TEST_F(AuthenticatorTest, FetchThatFailsKeepsTheKeysAndRefusesWhoWaited) {  // PROTOCOL 1.4
  give_keys({key_});
  const std::string known = key_.sign(R"({"sub":"u"})");
  EXPECT_EQ(outcome(known), "accepted u");
  const auto waiting = ask(next_key_.sign(R"({"sub":"u"})"));
  authenticator_.on_fetch_failed();
  EXPECT_EQ(text_of(*waiting), "401");
  EXPECT_EQ(outcome(known), "accepted u");
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"v"})")), "accepted v");
}

TEST_F(AuthenticatorTest, MalformedTokensCauseNoFetch) {
  give_keys({key_});
  EXPECT_EQ(outcome("x.y.z"), "401");
  EXPECT_EQ(outcome(""), "401");
  EXPECT_EQ(outcome(next_key_.sign(R"({"alg":"none","kid":"k2"})", R"({"sub":"u"})")), "401");
  EXPECT_EQ(fetches_, 0);
}

TEST_F(AuthenticatorTest, WaitersAreBounded) {
  give_keys({key_});
  const std::string unknown = next_key_.sign(R"({"sub":"u"})");
  std::vector<std::shared_ptr<std::optional<AuthResult>>> waiting;
  for (size_t i = 0; i < limits::kKeyWaitersMax; ++i) waiting.push_back(ask(unknown));
  EXPECT_EQ(outcome(unknown), "503");
  EXPECT_EQ(text_of(*waiting.back()), "waits");
  EXPECT_EQ(metric("mana_sync_tokens_waiting"), limits::kKeyWaitersMax);
  EXPECT_EQ(metric("mana_sync_key_waits_refused_total{bound=\"all\"}"), 1);
  give_keys({next_key_});
  EXPECT_EQ(metric("mana_sync_tokens_waiting"), 0);
  for (const auto& answer : waiting) EXPECT_EQ(text_of(*answer), "accepted u");
}

TEST_F(AuthenticatorTest, AnAnswerMayAskAgain) {
  give_keys({key_});
  const std::string unknown = next_key_.sign(R"({"sub":"u"})");
  std::string inner = "never asked";
  authenticator_.authenticate(unknown, [&](AuthResult) { inner = outcome(unknown); });
  authenticator_.authenticate(unknown, [&](AuthResult) {});
  give_keys({key_});
  EXPECT_EQ(inner, "401");
}

TEST_F(AuthenticatorTest, KeyThatLeftIsNoLongerAccepted) {  // PROTOCOL 1.4, 1.5
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"u"})");
  EXPECT_EQ(outcome(token), "accepted u");
  give_keys({next_key_});
  EXPECT_EQ(outcome(token), "waits") << "its kid is unknown now";
  authenticator_.on_fetch_failed();
  EXPECT_EQ(outcome(token), "401");
}

TEST_F(AuthenticatorTest, KeyReplacedUnderItsKidTakesItsTokensWithIt) {  // PROTOCOL 1.5
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"u"})");
  EXPECT_EQ(outcome(token), "accepted u");
  give_keys({TestKey("k1", 9)});
  EXPECT_EQ(outcome(token), "401");
  EXPECT_EQ(outcome(TestKey("k1", 9).sign(R"({"sub":"u"})")), "accepted u");
}

TEST_F(AuthenticatorTest, SignatureIsCheckedOncePerToken) {  // PROTOCOL 1.5
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"u"})");
  const auto first = ask(token);
  const auto second = ask(token);
  give_keys({key_, next_key_});
  const auto third = ask(token);
  EXPECT_EQ(metric("mana_sync_tokens_verified_total"), 1);
  EXPECT_EQ(metric("mana_sync_tokens_remembered_total"), 2);
  EXPECT_EQ(metric("mana_sync_tokens_refused_total"), 0);
  EXPECT_EQ(metric("mana_sync_tokens_held"), 1);
  EXPECT_EQ(first->value()->get(), second->value()->get()) << "one identity for all its requests";
  EXPECT_EQ(first->value()->get(), third->value()->get());
}

TEST_F(AuthenticatorTest, ExpIsCheckedOnEachUse) {  // PROTOCOL 1.5
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"u","exp":1700000010,"nbf":1699999990})");
  EXPECT_EQ(outcome(token), "accepted u");
  clock_.advance_us(39'999'999);
  EXPECT_EQ(outcome(token), "accepted u");
  clock_.advance_us(1);
  EXPECT_EQ(outcome(token), "401");
  clock_.set_wall_us(1'699'999'960'000'000);
  EXPECT_EQ(outcome(token), "accepted u");
  clock_.set_wall_us(1'699'999'959'000'000);
  EXPECT_EQ(outcome(token), "401") << "nbf is checked as well";
}

TEST_F(AuthenticatorTest, RefusedTokensAreCountedAndNotRemembered) {
  give_keys({key_});
  const std::string forged = TestKey("k1", 9).sign(R"({"sub":"u"})");
  EXPECT_EQ(outcome(forged), "401");
  EXPECT_EQ(outcome(forged), "401");
  EXPECT_EQ(metric("mana_sync_tokens_refused_total"), 2);
  EXPECT_EQ(metric("mana_sync_tokens_remembered_total"), 0);
  EXPECT_EQ(metric("mana_sync_tokens_held"), 0);
}

TEST_F(AuthenticatorTest, RememberedTokensAreBounded_AndForgottenOnesCountedAndVerifiedAgain) {
  give_keys({key_});
  const auto token_of = [&](size_t number) {
    const std::string padding(limits::kTokenBytesMax / 2, 'x');
    return key_.sign(fmt::format(R"({{"sub":"u","number":{},"x":"{}"}})", number, padding));
  };
  const size_t bytes = token_of(0).size();
  const size_t held_max = limits::kVerifiedTokenBytesMax / bytes;
  for (size_t i = 0; i < held_max + 10; ++i) ask(token_of(1'000'000 + i));
  EXPECT_LE(metric("mana_sync_tokens_held"), held_max);
  EXPECT_GE(metric("mana_sync_tokens_forgotten_total"), 10);
  const int64_t verified = metric("mana_sync_tokens_verified_total");
  EXPECT_EQ(outcome(token_of(1'000'000)), "accepted u");
  EXPECT_EQ(metric("mana_sync_tokens_verified_total"), verified + 1);
}

TEST_F(AuthenticatorTest, TokensOfAKeyThatLeftAreHeldNoMore) {  // PROTOCOL 1.5
  give_keys({key_, next_key_});
  EXPECT_EQ(outcome(key_.sign(R"({"sub":"u"})")), "accepted u");
  EXPECT_EQ(outcome(next_key_.sign(R"({"sub":"u"})")), "accepted u");
  EXPECT_EQ(metric("mana_sync_tokens_held"), 2);
  give_keys({next_key_});
  EXPECT_EQ(metric("mana_sync_tokens_held"), 1);
}

TEST_F(AuthenticatorTest, RememberedTokenAllocatesNothing) {
  give_keys({key_});
  const std::string token = key_.sign(R"({"sub":"ada lovelace, countess","exp":1800000000})");
  EXPECT_EQ(outcome(token), "accepted ada lovelace, countess");
  int accepted = 0;
  const auto before = allocation_count();
  for (int i = 0; i < 10; ++i) {
    authenticator_.authenticate(token, [&](AuthResult result) { accepted += result ? 1 : 0; });
  }
  EXPECT_EQ(allocation_count(), before);
  EXPECT_EQ(accepted, 10);
}

TEST_F(AuthenticatorTest, WhatNeedsNoFetchIsKnownNow) {
  give_keys({key_});
  const auto known = authenticator_.authenticate_now(key_.sign(R"({"sub":"ada"})"));
  ASSERT_TRUE(known && *known);
  EXPECT_EQ((**known)->user_id, "ada");
  const auto refused = authenticator_.authenticate_now("no token");
  EXPECT_TRUE(refused && !*refused);
  EXPECT_FALSE(authenticator_.authenticate_now(next_key_.sign(R"({"sub":"ada"})")));
}

TEST(BearerToken, MatchesTheSchemeInAnyCase) {  // PROTOCOL 1.1
  for (const char* header : {"Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c"}) {
    const auto token = bearer_token(header);
    ASSERT_TRUE(token) << header;
    EXPECT_EQ(*token, "a.b.c");
  }
}

TEST(BearerToken, RefusesEverythingElse) {
  for (const char* header : {"", " ", "Bearer", "Bearer ", "Bearer   ", "a.b.c", "Basic a.b.c",
                             "Bearera.b.c", "Bearer\ta.b.c", " Bearer a.b.c", "Bearers a.b.c"}) {
    const auto token = bearer_token(header);
    ASSERT_FALSE(token) << header;
    EXPECT_EQ(token.error().code, ErrorCode::kUnauthorized);
  }
}

}  // namespace
}  // namespace mana_sync::auth
