#include "utf8_checker.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace mana_sync::ws {
namespace {

// How many bytes are taken when they come one by one; all of them unless one is refused.
size_t taken_bytes(std::string_view text) {
  Utf8Checker checker;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!checker.feed(text.substr(i, 1))) return i;
  }
  return text.size();
}

std::string encode(uint32_t code_point) {
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80 | (code_point >> shift & 0x3f));
  };
  const auto lead = [&](unsigned mark, int shift) {
    return static_cast<char>(mark | code_point >> shift);
  };
  if (code_point < 0x80) return {lead(0, 0)};
  if (code_point < 0x800) return {lead(0xc0, 6), tail(0)};
  if (code_point < 0x10000) return {lead(0xe0, 12), tail(6), tail(0)};
  return {lead(0xf0, 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8Checker, TakesEveryCodePointButSurrogates) {  // RFC 3629 §3
  for (uint32_t code_point = 0; code_point < 0x140000; ++code_point) {
    const std::string text = encode(code_point);
    const bool is_surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    Utf8Checker checker;
    const bool is_valid = checker.feed(text) && checker.is_complete();
    ASSERT_EQ(is_valid, !is_surrogate && code_point <= 0x10ffff) << code_point;
  }
}

TEST(Utf8Checker, RefusesAtTheFirstByteThatCannotBe) {  // RFC 3629 §4
  EXPECT_EQ(taken_bytes("\x80"), 0u);
  EXPECT_EQ(taken_bytes("\xc0\xaf"), 0u);          // overlong
  EXPECT_EQ(taken_bytes("\xe0\x9f\xbf"), 1u);      // overlong
  EXPECT_EQ(taken_bytes("\xed\xa0\x80"), 1u);      // surrogate
  EXPECT_EQ(taken_bytes("\xf0\x8f\xbf\xbf"), 1u);  // overlong
  EXPECT_EQ(taken_bytes("\xf4\x90\x80\x80"), 1u);  // past U+10FFFF
  EXPECT_EQ(taken_bytes("\xf5"), 0u);
  EXPECT_EQ(taken_bytes("\xff"), 0u);
  EXPECT_EQ(taken_bytes("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), 12u);
  EXPECT_EQ(taken_bytes("0123456789abcdef\xc3("), 17u);
}

TEST(Utf8Checker, IsCompleteOnlyBetweenCharacters) {
  Utf8Checker checker;
  EXPECT_TRUE(checker.is_complete());
  EXPECT_TRUE(checker.feed("only ASCII so far \xf0\x9f"));
  EXPECT_FALSE(checker.is_complete());
  EXPECT_TRUE(checker.feed("\x98"));
  EXPECT_FALSE(checker.is_complete());
  EXPECT_TRUE(checker.feed("\x80"));
  EXPECT_TRUE(checker.is_complete());
  EXPECT_FALSE(checker.feed("and more ASCII \x9f"));
}

}  // namespace
}  // namespace mana_sync::ws
