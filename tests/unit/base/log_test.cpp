#include "mana_sync/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace mana_sync {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class LogTest : public testing::Test {
 protected:
  ManualClock clock_{1'704'103'200'123'456};
  std::vector<std::string> lines_;
  Logger log_{LogLevel::kInfo, clock_,
              [this](std::string_view line) { lines_.emplace_back(line); }};
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  log_.info("listening", {{"address", "::"},
                          {"port", 3050},
                          {"tls", false},
                          {"load", 0.5},
                          {"host", std::string("a")}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "{\"time\":\"2024-01-01T10:00:00.123456Z\",\"level\":\"info\",\"event\":\"listening\","
            "\"address\":\"::\",\"port\":3050,\"tls\":false,\"load\":0.500,\"host\":\"a\"}\n");
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  log_.debug("quiet");
  log_.warn("odd");
  log_.error("bad");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_THAT(lines_[0], HasSubstr("\"level\":\"warn\""));
  EXPECT_THAT(lines_[1], HasSubstr("\"level\":\"error\""));
}

TEST_F(LogTest, WritesNothingWhenOff) {
  Logger off(LogLevel::kOff, clock_, [this](std::string_view line) { lines_.emplace_back(line); });
  off.error("bad");
  EXPECT_TRUE(lines_.empty());
}

TEST_F(LogTest, EscapesWhatWouldBreakALineOrItsJson) {
  log_.info("odd", {{"text", "a\"b\\c\nd\x01ä\xff"}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], HasSubstr("\"text\":\"a\\\"b\\\\c\\nd\\u0001ä\xef\xbf\xbd\"}"));
}

TEST_F(LogTest, WritesNumbersThatJsonLacksAsNull) {
  log_.info("odd", {{"nan", std::numeric_limits<double>::quiet_NaN()},
                    {"inf", std::numeric_limits<double>::infinity()}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], EndsWith("\"nan\":null,\"inf\":null}\n"));
}

TEST_F(LogTest, LimitsLinesOfOneEventASecondAndReportsHowManyWereLeftOut) {
  for (int i = 0; i < 100; ++i) log_.warn("flood");
  const size_t within_a_second = lines_.size();
  EXPECT_LT(within_a_second, 100u);
  log_.warn("other");
  ASSERT_EQ(lines_.size(), within_a_second + 1) << "each event has a limit of its own";

  clock_.advance_us(1'000'000);
  log_.warn("flood");
  ASSERT_EQ(lines_.size(), within_a_second + 2);
  EXPECT_THAT(lines_.back(),
              EndsWith(",\"suppressed\":" + std::to_string(100 - within_a_second) + "}\n"));
  log_.warn("flood");
  EXPECT_THAT(lines_.back(), Not(HasSubstr("suppressed")));
}

TEST_F(LogTest, KeepsLinesWholeOverThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] { log_.info("event", {{"thread", i}}); });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(lines_.size(), 4u);
  for (const std::string& line : lines_) {
    EXPECT_THAT(line, StartsWith("{\"time\":"));
    EXPECT_THAT(line, EndsWith("}\n"));
  }
}

TEST(ParseLogLevel, TakesTheFiveNamesAndNothingElse) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_EQ(parse_log_level("info"), LogLevel::kInfo);
  EXPECT_EQ(parse_log_level("warn"), LogLevel::kWarn);
  EXPECT_EQ(parse_log_level("error"), LogLevel::kError);
  EXPECT_EQ(parse_log_level("off"), LogLevel::kOff);
  EXPECT_EQ(parse_log_level("INFO"), std::nullopt);
  EXPECT_EQ(parse_log_level(""), std::nullopt);
}

}  // namespace
}  // namespace mana_sync
