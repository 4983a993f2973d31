// PROTOCOL 9.5: a user's rate.
#include "request_rates.h"

#include <gtest/gtest.h>

#include <string>

namespace mana_sync::server {
namespace {

constexpr size_t kPerSecond = 5;
constexpr int kBurst = static_cast<int>(kPerSecond * limits::kRequestBurstS);
constexpr size_t kUsersMax = 64;

class RequestRatesTest : public testing::Test {
 protected:
  // Requests of the user that are admitted, of so many at once.
  int admitted(const std::string& user, int count) {
    int admitted = 0;
    for (int i = 0; i < count; ++i) admitted += rates_.admits(user) ? 1 : 0;
    return admitted;
  }
  [[nodiscard]] bool has_metric(const std::string& line) const {
    return metrics_.render().find(line + "\n") != std::string::npos;
  }

  ManualClock clock_{0};
  Metrics metrics_;
  RequestRates rates_{clock_, metrics_, kPerSecond, kUsersMax};
};

TEST_F(RequestRatesTest, ABurstPassesAndThenTheRate) {
  EXPECT_EQ(admitted("a", 2 * kBurst), kBurst);
  for (int second = 0; second < 3; ++second) {
    clock_.advance_us(1'000'000);
    EXPECT_EQ(admitted("a", kBurst), static_cast<int>(kPerSecond));
  }
  EXPECT_TRUE(has_metric("mana_sync_requests_over_rate_total " +
                         std::to_string(kBurst + 3 * (kBurst - static_cast<int>(kPerSecond)))));
}

TEST_F(RequestRatesTest, WhoWaitedHasTheBurstAgainAndNoMore) {
  EXPECT_EQ(admitted("a", kBurst), kBurst);
  clock_.advance_us(3600 * int64_t{1'000'000});
  EXPECT_EQ(admitted("a", 2 * kBurst), kBurst);
}

TEST_F(RequestRatesTest, OneUserDoesNotCountAgainstAnother) {
  EXPECT_EQ(admitted("a", 2 * kBurst), kBurst);
  EXPECT_EQ(admitted("b", kBurst), kBurst);
}

TEST_F(RequestRatesTest, HoldsABoundedNumberOfUsers) {
  for (size_t i = 0; i < 10 * kUsersMax; ++i) {
    EXPECT_TRUE(rates_.admits("user" + std::to_string(i)));
  }
  const std::string text = metrics_.render();
  const std::string name = "\nmana_sync_request_rate_users ";
  EXPECT_LE(std::stoul(text.substr(text.find(name) + name.size())), kUsersMax);
  EXPECT_FALSE(has_metric("mana_sync_request_rates_forgotten_total 0"));
}

TEST_F(RequestRatesTest, WhoseBucketIsFullIsForgottenFirst) {
  for (size_t i = 0; i < kUsersMax - 1; ++i) EXPECT_TRUE(rates_.admits(std::to_string(i)));
  clock_.advance_us(1'000'000);
  EXPECT_EQ(admitted("busy", 2 * kBurst), kBurst);
  EXPECT_TRUE(rates_.admits("one too many"));
  EXPECT_TRUE(has_metric("mana_sync_request_rate_users 2"));
  EXPECT_TRUE(has_metric("mana_sync_request_rates_forgotten_total 0"));
  EXPECT_FALSE(rates_.admits("busy"));
}

TEST_F(RequestRatesTest, ZeroBoundsNothing) {
  Metrics metrics;
  RequestRates rates(clock_, metrics, 0);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(rates.admits("a"));
}

}  // namespace
}  // namespace mana_sync::server
