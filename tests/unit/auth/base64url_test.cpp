#include "base64url.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "signing.h"

namespace mana_sync::auth {
namespace {

TEST(Base64Url, DecodesTheUrlSafeAlphabet) {
  EXPECT_EQ(decode_base64url(""), "");
  EXPECT_EQ(decode_base64url("QQ"), "A");
  EXPECT_EQ(decode_base64url("QUI"), "AB");
  EXPECT_EQ(decode_base64url("QUJD"), "ABC");
  EXPECT_EQ(decode_base64url("-_-_"), "\xfb\xff\xbf");
}

TEST(Base64Url, ReadsBackEveryLength) {
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(decode_base64url(testing::base64url(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64Url, RefusesWhatIsNotCanonical) {  // PROTOCOL 1.2
  for (const std::string text :
       {"QQ==", "QUI=", "QUJD=", "=", "QR", "QUJ", "Q", "QUJDQ", "+/+/", "Q Q", " QQ", "QQ ",
        "QQ\n", "\tQUI", "QUI.", "Q\xc3\xa9", "QU*D"}) {
    EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
  }
  EXPECT_EQ(decode_base64url(std::string_view("QQ\0", 3)), std::nullopt);
}

TEST(Base64Url, TakesItsAlphabetAlone) {  // PROTOCOL 1.2
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    for (size_t at = 0; at < 4; ++at) {
      std::string text = "AAAA";
      text[at] = c;
      EXPECT_EQ(decode_base64url(text).has_value(), alphabet.find(c) != std::string::npos)
          << byte << " at " << at;
    }
  }
}

TEST(Base64Url, ExactSizeIsDemanded) {
  std::array<uint8_t, 2> out{};
  EXPECT_TRUE(decode_base64url("QUI", out));
  EXPECT_EQ(out, (std::array<uint8_t, 2>{'A', 'B'}));
  EXPECT_FALSE(decode_base64url("QQ", out));
  EXPECT_FALSE(decode_base64url("QUJD", out));
  EXPECT_FALSE(decode_base64url("QUJ", out));
  EXPECT_FALSE(decode_base64url("", out));
}

}  // namespace
}  // namespace mana_sync::auth
