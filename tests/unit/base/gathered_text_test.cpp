#include "mana_sync/base/gathered_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mana_sync {
namespace {

SharedBytes shared(std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, *owner};
}

TEST(GatheredTextTest, PiecesComeInTheOrderThatTheyWereAppended) {
  GatheredText text("[");
  text.append(shared("a"));
  text.append(shared(""));
  text.append(shared("b"));
  text.own() += ",c";
  text.append(shared("d"));
  EXPECT_EQ(text.str(), "[ab,cd");
  EXPECT_EQ(text.size(), 6u);
  std::vector<std::string> pieces;
  text.for_each([&](std::string_view own) { pieces.emplace_back(own); },
                [&](const SharedBytes& piece) { pieces.emplace_back(piece.bytes); });
  EXPECT_EQ(pieces, (std::vector<std::string>{"[", "a", "b", ",c", "d"}));
}

TEST(GatheredTextTest, WhatIsInsertedMovesWhatFollows) {
  GatheredText text("[");
  text.append(shared("b"));
  text.own() += "]";
  text.insert(1, "a,");
  EXPECT_EQ(text.str(), "[a,b]");
  EXPECT_EQ(text.size(), 5u);
}

TEST(GatheredTextTest, WithoutSharedBytesItIsItsOwnText) {
  EXPECT_TRUE(GatheredText().empty());
  const GatheredText text("own");
  EXPECT_EQ(text.str(), "own");
  EXPECT_TRUE(text.splices().empty());
}

TEST(GatheredTextTest, SharedBytesAreNotCopied) {
  const auto owner = std::make_shared<const std::string>("shared");
  GatheredText text;
  text.append({owner, *owner});
  EXPECT_EQ(text.splices().front().shared.bytes.data(), owner->data());
  EXPECT_EQ(owner.use_count(), 2);
}

}  // namespace
}  // namespace mana_sync
