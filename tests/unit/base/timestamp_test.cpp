#include "mana_sync/base/timestamp.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace mana_sync {
namespace {

constexpr int64_t kTenOClockUs = 1'704'103'200'000'000;  // 2024-01-01T10:00:00Z

TEST(ParseRfc3339, ReadsInstants) {
  EXPECT_EQ(parse_rfc3339_us("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00Z"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01t10:00:00z"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01 10:00:00Z"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(parse_rfc3339_us("2024-02-29T00:00:00Z"), 1'709'164'800'000'000);
}

TEST(ParseRfc3339, UnderstandsOffsets) {  // PROTOCOL 2.5
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T12:00:00+02:00"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T04:30:00-05:30"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00-00:00"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-02T09:59:00+23:59"), kTenOClockUs);
}

TEST(ParseRfc3339, UnderstandsUpToNineFractionDigits) {  // PROTOCOL 2.5
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.1Z"), kTenOClockUs + 100'000);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.123Z"), kTenOClockUs + 123'000);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.123456Z"), kTenOClockUs + 123'456);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.123456789Z"), kTenOClockUs + 123'456);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.000000999+00:00"), kTenOClockUs);
  EXPECT_EQ(parse_rfc3339_us("2024-01-01T10:00:00.1234567890Z"), std::nullopt);
}

TEST(ParseRfc3339, CountsALeapSecondAsTheSecondAfter) {
  EXPECT_EQ(parse_rfc3339_us("2016-12-31T23:59:60Z"), parse_rfc3339_us("2017-01-01T00:00:00Z"));
  EXPECT_EQ(parse_rfc3339_us("2016-12-31T23:59:61Z"), std::nullopt);
}

TEST(ParseRfc3339, ClampsYearsThatAnOffsetMovesOutOfRange) {
  EXPECT_EQ(parse_rfc3339_us("0000-01-01T00:00:00+01:00"),
            parse_rfc3339_us("0000-01-01T00:00:00Z"));
  EXPECT_EQ(parse_rfc3339_us("9999-12-31T23:59:59.5-01:00"),
            parse_rfc3339_us("9999-12-31T23:59:59.999999Z"));
}

TEST(ParseRfc3339, RefusesEverythingElse) {
  for (const char* text : {"",
                           "2024",
                           "2024-01-01",
                           "2024-01-01T10:00:00",
                           "2024-01-01T10:00Z",
                           "2024-1-01T10:00:00Z",
                           "24-01-01T10:00:00Z",
                           "+2024-01-01T10:00:00Z",
                           "-024-01-01T10:00:00Z",
                           "2024-13-01T10:00:00Z",
                           "2024-00-01T10:00:00Z",
                           "2024-01-00T10:00:00Z",
                           "2024-01-32T10:00:00Z",
                           "2023-02-29T10:00:00Z",
                           "2024-01-01T24:00:00Z",
                           "2024-01-01T10:60:00Z",
                           "2024-01-01T10:00:00.Z",
                           "2024-01-01T10:00:00,5Z",
                           "2024-01-01T10:00:00+0200",
                           "2024-01-01T10:00:00+02",
                           "2024-01-01T10:00:00+24:00",
                           "2024-01-01T10:00:00+02:60",
                           "2024-01-01T10:00:00Z ",
                           " 2024-01-01T10:00:00Z",
                           "2024-01-01T10:00:00ZZ",
                           "2024-01-01_10:00:00Z",
                           "2024-01-01T10:00:00 02:00",
                           "20240101T100000Z",
                           "1704103200",
                           "now"}) {
    EXPECT_EQ(parse_rfc3339_us(text), std::nullopt) << text;
    EXPECT_EQ(parse_rfc3339_ms(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_rfc3339_us(std::string_view("2024-01-01T10:00:00Z\0", 21)), std::nullopt);
}

TEST(ParseRfc3339, MillisecondsCutFinerDigitsTowardsThePast) {  // PROTOCOL 5.1
  EXPECT_EQ(parse_rfc3339_ms("2024-01-01T10:00:00.123999Z"), kTenOClockUs / 1000 + 123);
  EXPECT_EQ(parse_rfc3339_ms("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(parse_rfc3339_ms("1969-12-31T23:59:59.998999Z"), -2);
}

TEST(ParseCursor, IsTheBeginningForAnythingThatIsNoTime) {  // PROTOCOL 2.5
  EXPECT_EQ(parse_cursor_us(""), 0);
  EXPECT_EQ(parse_cursor_us("yesterday"), 0);
  EXPECT_EQ(parse_cursor_us("1960-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_cursor_us("            "), 0);
}

TEST(ParseCursor, TakesASpaceWhereAPlusWasMeant) {  // PROTOCOL 2.5
  EXPECT_EQ(parse_cursor_us("2024-01-01T12:00:00 02:00"), kTenOClockUs);
  EXPECT_EQ(parse_cursor_us("2024-01-01T12:00:00.000 02:00"), kTenOClockUs);
  EXPECT_EQ(parse_cursor_us("2024-01-01 12:00:00 02:00"), kTenOClockUs);
  EXPECT_EQ(parse_cursor_us("2024-01-01 10:00:00Z"), kTenOClockUs);
  EXPECT_EQ(parse_cursor_us("2024-01-01T10:00:00Z"), kTenOClockUs);
}

TEST(FormatTime, IsWhatToIsoStringWrites) {  // PROTOCOL 4.1
  EXPECT_EQ(format_time_ms(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time_ms(kTenOClockUs / 1000 + 30'007), "2024-01-01T10:00:30.007Z");
  EXPECT_EQ(format_time_ms(-1), "1969-12-31T23:59:59.999Z");
}

TEST(FormatCursor, HasSixDigitsAndZ) {  // PROTOCOL 10.2
  EXPECT_EQ(format_cursor_us(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_cursor_us(kTenOClockUs + 1), "2024-01-01T10:00:00.000001Z");
  EXPECT_EQ(format_cursor_us(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(FormatCursor, SortsAsAStringAsItDoesInTime_AndReadsBack) {  // PROTOCOL 10.2
  std::mt19937_64 random(20240101);
  const int64_t last_us = *parse_rfc3339_us("9999-12-31T23:59:59.999999Z");
  std::uniform_int_distribution<int64_t> any_us(0, last_us);
  for (int i = 0; i < 2000; ++i) {
    const int64_t a = any_us(random);
    const int64_t b = any_us(random);
    ASSERT_EQ(a < b, format_cursor_us(a) < format_cursor_us(b)) << a << " " << b;
    ASSERT_EQ(parse_cursor_us(format_cursor_us(a)), a);
    ASSERT_EQ(parse_rfc3339_ms(format_time_ms(a / 1000)), a / 1000);
  }
}

TEST(FormatTime, ReadsBackOverTheWholeRangeOfParse) {
  for (const char* text :
       {"0000-01-01T00:00:00.000Z", "0001-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"}) {
    EXPECT_EQ(format_time_ms(*parse_rfc3339_ms(text)), text);
  }
}

TEST(ReceiptTime, IsTheMillisecondAtOrAfterTheStamp) {  // PROTOCOL 5.8
  EXPECT_EQ(receipt_time_ms(1'000), 1);
  EXPECT_EQ(receipt_time_ms(1'001), 2);
  EXPECT_EQ(receipt_time_ms(1'999), 2);
  EXPECT_EQ(receipt_time_ms(0), 0);
  EXPECT_EQ(receipt_time_ms(-1'500), -1);
}

}  // namespace
}  // namespace mana_sync
