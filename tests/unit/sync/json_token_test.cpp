#include "json_token.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

namespace mana_sync::sync {
namespace {

struct Sanitized {
  bool ok;
  std::string text;
  size_t replaced;
  friend bool operator==(const Sanitized&, const Sanitized&) = default;
};

Sanitized sanitize(std::string_view raw) {
  Sanitized result{.ok = false, .text = {}, .replaced = 0};
  result.ok = append_sanitized(result.text, raw, result.replaced);
  return result;
}

std::string unescape(std::string_view sanitized) {
  std::string out;
  append_unescaped(out, sanitized);
  return out;
}

TEST(SanitizeString, LeavesWhatPostgresHoldsAsItIs) {
  for (const char* text :
       {"", "plain", "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\\u0041\\u00e4\\u20AC", "\\ud83d\\ude00",
        "\\uDBFF\\uDFFF", "ä€😀", "\\\\u0000", "\\uffff", "\\u0001"}) {
    EXPECT_EQ(sanitize(text), (Sanitized{true, text, 0})) << text;
  }
}

TEST(SanitizeString, ReplacesNulAndLoneSurrogates_AndCountsThem) {  // PROTOCOL 2.11
  EXPECT_EQ(sanitize("a\\u0000b"), (Sanitized{true, "a\\ufffdb", 1}));
  EXPECT_EQ(sanitize("\\ud800"), (Sanitized{true, "\\ufffd", 1}));
  EXPECT_EQ(sanitize("\\udc00x"), (Sanitized{true, "\\ufffdx", 1}));
  EXPECT_EQ(sanitize("\\udc00\\ud800"), (Sanitized{true, "\\ufffd\\ufffd", 2}));
  EXPECT_EQ(sanitize("\\ud800\\ud83d\\ude00"), (Sanitized{true, "\\ufffd\\ud83d\\ude00", 1}));
  EXPECT_EQ(sanitize("\\ud800\\n"), (Sanitized{true, "\\ufffd\\n", 1}));
  EXPECT_EQ(sanitize("\\ud800\\u0041"), (Sanitized{true, "\\ufffd\\u0041", 1}));
  EXPECT_EQ(sanitize("\\ud800udc00"), (Sanitized{true, "\\ufffdudc00", 1}));
}

TEST(SanitizeString, RefusesBadEscapes) {  // PROTOCOL 2.10
  for (const char* text : {"\\", "\\x", "\\u", "\\u1", "\\u12", "\\u123", "\\u123g", "\\uD83D\\u12",
                           "\\U0041", "\\0", "\\'", "\\ud800\\", "\\u 041", "\\u+041"}) {
    EXPECT_FALSE(sanitize(text).ok) << text;
  }
}

TEST(UnescapeString, SaysWhatTheEscapesMean) {
  EXPECT_EQ(unescape(""), "");
  EXPECT_EQ(unescape("plain ä"), "plain ä");
  EXPECT_EQ(unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(unescape("x\\u0041\\u00e4\\u20AC\\ud83d\\ude00y"), "xAä€😀y");
  EXPECT_EQ(unescape("\\u007f\\u0080\\u07ff\\u0800\\uffff"), "\x7f\u0080\u07ff\u0800\uffff");
  EXPECT_EQ(unescape("\\ud800\\udc00\\udbff\\udfff"), "\U00010000\U0010ffff");
}

TEST(CheckNumber, FollowsTheGrammar) {  // RFC 8259 §6
  for (const char* text : {"0", "-0", "1", "-1", "10", "0.0", "1.5", "-1.50", "1e1", "1E1", "1e+1",
                           "1e-1", "0e0", "0.10e-01", "1e007", "12345678901234567890.123"}) {
    EXPECT_EQ(check_number(text), NumberCheck::kOk) << text;
  }
  for (const char* text :
       {"",    "-",     "+1",    "01",  "-01",          "00",       "1.",        ".5",
        "-.5", "1.e1",  "1e",    "1e+", "1e-",          "1e1.5",    "1x",        "0x10",
        "1 ",  " 1",    "1_000", "1,0", "NaN",          "Infinity", "-Infinity", "1e1e1",
        "--1", "1.2.3", "inf",   "1f",  "1\xef\xbc\x91"}) {
    EXPECT_EQ(check_number(text), NumberCheck::kMalformed) << text;
  }
}

TEST(CheckNumber, RefusesWhatNoDoubleReaches) {  // PROTOCOL 2.10
  for (const std::string& text : std::initializer_list<std::string>{
           "1e308", "1.7976931348623157e308", "-1e308", "1e-308", "5e-324", "0e999", "0e-999",
           "-0.0e99", "0." + std::string(300, '0') + "1", "1" + std::string(308, '0'),
           std::string(400, '1') + "e-200"}) {
    EXPECT_EQ(check_number(text), NumberCheck::kOk) << text;
  }
  for (const std::string& text : std::initializer_list<std::string>{
           "1e309", "-1e309", "1.8e308", "1e-400", "-1e-400", "1e-325", "1e99999999999999999999",
           "1e-99999999999999999999", "1" + std::string(309, '0'),
           "0." + std::string(400, '0') + "1", std::string(309, '9')}) {
    EXPECT_EQ(check_number(text), NumberCheck::kOutOfRange) << text;
  }
}

// PostgreSQL's numeric would refuse them, and the unit with them.
TEST(CheckNumber, RefusesMoreDigitsBehindThePointThanPostgresHolds) {
  EXPECT_EQ(check_number("0." + std::string(16'383, '1')), NumberCheck::kOk);
  EXPECT_EQ(check_number("0." + std::string(16'384, '1')), NumberCheck::kOutOfRange);
  EXPECT_EQ(check_number("0." + std::string(16'384, '0')), NumberCheck::kOutOfRange);
  EXPECT_EQ(check_number("0." + std::string(16'383, '1') + "e-1"), NumberCheck::kOutOfRange);
  EXPECT_EQ(check_number(std::string(20'000, '1') + "e-20000"), NumberCheck::kOutOfRange);
  EXPECT_EQ(check_number("0e-9999"), NumberCheck::kOutOfRange);
  EXPECT_EQ(check_number("0e99999999999999999999"), NumberCheck::kOutOfRange);
}

TEST(CanonicalNumber, IsOneForAllSpellingsOfANumber) {  // PROTOCOL 5.1
  for (const char* text : {"1.0", "1", "10e-1", "0.1e1", "1e0", "1E+0", "1000e-3", "0.001e3"}) {
    EXPECT_EQ(canonical_number(text), canonical_number("1")) << text;
  }
  for (const char* text : {"-0", "0.000", "0e99", "-0.0e-5"}) {
    EXPECT_EQ(canonical_number(text), canonical_number("0")) << text;
  }
  EXPECT_EQ(canonical_number("1200"), canonical_number("1.2e3"));
  EXPECT_EQ(canonical_number("-0.0120"), canonical_number("-12e-3"));
}

TEST(CanonicalNumber, TellsNumbersApartThatADoubleCannot) {  // PROTOCOL 2.10: every digit
  EXPECT_NE(canonical_number("9007199254740993"), canonical_number("9007199254740992"));
  EXPECT_NE(canonical_number("0.1"), canonical_number("0.10000000000000000001"));
  EXPECT_NE(canonical_number("1"), canonical_number("-1"));
  EXPECT_NE(canonical_number("1"), canonical_number("10"));
  EXPECT_NE(canonical_number("12"), canonical_number("1.2"));
}

TEST(NumberWrittenOut, TakesAsManyBytesAsPostgresPrints_OrALittleMore) {
  EXPECT_EQ(written_out_size("12345"), 5u);
  EXPECT_EQ(written_out_size("-1.25"), 5u);
  EXPECT_GE(written_out_size("1e300"), 301u);
  EXPECT_GE(written_out_size("1E+300"), 301u);
  EXPECT_GE(written_out_size("1.5e-300"), 303u);
}

}  // namespace
}  // namespace mana_sync::sync
