#include "mana_sync/server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace mana_sync::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Config, HasDefaultsForEverything) {
  const auto config = read_config(environment({}));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->port, 3050);
  EXPECT_EQ(config->listen_address, "::");
  EXPECT_EQ(config->body_bytes_max, 10u * 1024 * 1024);
  EXPECT_EQ(config->clock_skew_ms_max, 300'000);
  EXPECT_TRUE(config->cors.allows("http://localhost:5173"));
}

TEST(Config, AnEmptyVariableCountsAsNotSet) {
  const auto config = read_config(environment({{"PORT", ""}}));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->port, 3050);
}

struct Wrong {
  const char* name;
  const char* value;
};

class WrongValue : public testing::TestWithParam<Wrong> {};

TEST_P(WrongValue, IsRefusedWithItsNameWhatItWasAndWhatItMayBe) {
  const auto config = read_config(environment({{GetParam().name, GetParam().value}}));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(config.error().message, AllOf(HasSubstr(GetParam().name), HasSubstr(GetParam().value),
                                            HasSubstr("must be"), Not(HasSubstr("\n"))));
}

INSTANTIATE_TEST_SUITE_P(
    Config, WrongValue,
    testing::Values(Wrong{"PORT", "65536"}, Wrong{"PORT", "80x"}, Wrong{"PORT", "-1"},
                    Wrong{"MANA_SYNC_LISTEN_ADDRESS", "localhost"}, Wrong{"DATABASE_URL", "mysql"},
                    Wrong{"JWKS_URL", "ftp://x/jwks"}, Wrong{"CORS_ORIGINS", "http://*.*.x"},
                    Wrong{"MANA_SYNC_MAX_BODY_BYTES", "1MB"},
                    Wrong{"MANA_SYNC_MAX_CLOCK_SKEW_MS", "-5"},
                    Wrong{"MANA_SYNC_PG_WRITE_CONNECTIONS", "0"},
                    Wrong{"MANA_SYNC_PG_READ_CONNECTIONS", "65"},
                    Wrong{"MANA_SYNC_LOG_LEVEL", "loud"}, Wrong{"MANA_SYNC_CACHE_BYTES", "-1"},
                    Wrong{"MANA_SYNC_MAX_CONNECTIONS", "0"}));

TEST(Config, SettingsNeverShowAPassword) {
  for (const char* url :
       {"postgresql://mana:hunter2@db/x", "postgresql://db/x?user=mana&password=hunter2",
        "host=db password=hunter2 user=mana", "host=db password='hunter2' user=mana"}) {
    const std::string settings = describe_settings(environment({{"DATABASE_URL", url}}));
    EXPECT_THAT(settings, AllOf(Not(HasSubstr("hunter2")), HasSubstr("mana"), HasSubstr("db")));
  }
}

TEST(Config, AWrongDatabaseUrlIsNamedWithoutItsPassword) {
  const auto config = read_config(environment({{"DATABASE_URL", "mysql://u:hunter2@db/x"}}));
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message,
              AllOf(HasSubstr("mysql://u:***@db/x"), Not(HasSubstr("hunter2"))));
}

TEST(Config, HelpNamesEveryVariableOfTheSettings) {
  const std::string help = describe_variables();
  const std::string settings = describe_settings(environment({}));
  for (size_t begin = 0; begin < settings.size(); begin = settings.find('\n', begin) + 1) {
    EXPECT_THAT(help, HasSubstr(settings.substr(begin, settings.find('=', begin) - begin)));
  }
}

}  // namespace
}  // namespace mana_sync::server
