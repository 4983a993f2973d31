#include "verified_tokens.h"

#include <gtest/gtest.h>

#include <string>

#include "signing.h"

namespace mana_sync::auth {
namespace {

using testing::key_set_of;
using testing::TestKey;

const TestKey kKey("k", 1);

VerifiedToken token_of(const std::string& text, const TestKey& key = kKey) {
  return {text,
          std::make_shared<const Identity>(Identity{"user", {}, key.kid(), key.public_key()})};
}

TEST(VerifiedTokens, FindsByHashAndBytes) {
  VerifiedTokens tokens(10, 1000);
  tokens.insert({1, 1}, token_of("a"));
  ASSERT_NE(tokens.find({1, 1}, "a"), nullptr);
  EXPECT_EQ(tokens.find({1, 1}, "a")->token, "a");
  EXPECT_EQ(tokens.find({1, 2}, "a"), nullptr);
}

TEST(VerifiedTokens, CollidingHashFindsNothing) {  // PROTOCOL 1.5
  VerifiedTokens tokens(10, 1000);
  tokens.insert({1, 1}, token_of("honest"));
  EXPECT_EQ(tokens.find({1, 1}, "forged"), nullptr);
  tokens.insert({1, 1}, token_of("second"));
  EXPECT_EQ(tokens.find({1, 1}, "honest"), nullptr);
  EXPECT_NE(tokens.find({1, 1}, "second"), nullptr);
  EXPECT_EQ(tokens.size(), 1u);
}

TEST(VerifiedTokens, ForgetsTheLeastRecentlyUsedPastItsCount) {
  VerifiedTokens tokens(2, 1000);
  tokens.insert({1, 0}, token_of("a"));
  tokens.insert({2, 0}, token_of("b"));
  EXPECT_NE(tokens.find({1, 0}, "a"), nullptr);
  EXPECT_EQ(tokens.insert({3, 0}, token_of("c")), 1u);
  EXPECT_EQ(tokens.size(), 2u);
  EXPECT_NE(tokens.find({1, 0}, "a"), nullptr);
  EXPECT_EQ(tokens.find({2, 0}, "b"), nullptr);
  EXPECT_NE(tokens.find({3, 0}, "c"), nullptr);
}

TEST(VerifiedTokens, ForgetsTheLeastRecentlyUsedPastItsBytes) {
  VerifiedTokens tokens(100, 10);
  tokens.insert({1, 0}, token_of("aaaa"));
  EXPECT_EQ(tokens.insert({2, 0}, token_of("bbbb")), 0u);
  EXPECT_EQ(tokens.insert({3, 0}, token_of("cccc")), 1u);
  EXPECT_EQ(tokens.find({1, 0}, "aaaa"), nullptr);
  EXPECT_EQ(tokens.size(), 2u);
  tokens.insert({3, 0}, token_of("dddddd"));  // in place of cccc
  EXPECT_NE(tokens.find({2, 0}, "bbbb"), nullptr);
  EXPECT_NE(tokens.find({3, 0}, "dddddd"), nullptr);
  tokens.insert({4, 0}, token_of("e"));
  EXPECT_EQ(tokens.size(), 2u);
}

TEST(VerifiedTokens, KeyThatLeftTakesItsTokensWithIt) {  // PROTOCOL 1.5
  VerifiedTokens tokens(10, 1000);
  const TestKey stays("stays", 2);
  const TestKey leaves("leaves", 3);
  const TestKey changes("changes", 4);
  tokens.insert({1, 0}, token_of("a", stays));
  tokens.insert({2, 0}, token_of("b", leaves));
  tokens.insert({3, 0}, token_of("c", changes));
  tokens.keep_only(*key_set_of({stays, TestKey("changes", 5)}));
  EXPECT_NE(tokens.find({1, 0}, "a"), nullptr);
  EXPECT_EQ(tokens.find({2, 0}, "b"), nullptr);
  EXPECT_EQ(tokens.find({3, 0}, "c"), nullptr);
  EXPECT_EQ(tokens.size(), 1u);
}

}  // namespace
}  // namespace mana_sync::auth
