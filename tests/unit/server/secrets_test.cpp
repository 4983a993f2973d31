#include "secrets.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

struct Shown {
  const char* text;
  const char* shown;
};

class Secrets : public testing::TestWithParam<Shown> {};

TEST_P(Secrets, AreLeftOut) {
  EXPECT_EQ(without_secrets(GetParam().text), GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, Secrets,
    testing::Values(
        Shown{"postgresql://mana@db/x", "postgresql://mana@db/x"},
        Shown{"postgresql://db:5432/x?sslmode=require", "postgresql://db:5432/x?sslmode=require"},
        Shown{"postgresql://a:secret@db/x", "postgresql://a:***@db/x"},
        Shown{"postgresql://a:sec/ret@db/x", "postgresql://a:***@db/x"},
        Shown{"postgresql://a:sec@ret@db/x", "postgresql://a:***@db/x"},
        Shown{"postgresql://a:sec?ret@db/x", "postgresql://a:***@db/x"},
        Shown{"postgresql://a:s@one:1,two:2/x", "postgresql://a:***@one:1,two:2/x"},
        Shown{"postgresql://db/x?user=a&password=s&port=1",
              "postgresql://db/x?user=a&password=***&port=1"},
        Shown{"postgresql://db:1/x?user=a@b&password=s", "postgresql://db:***@b&password=***"},
        Shown{"postgresql://db/x?pass%77ord=s", "postgresql://db/x?pass%77ord=***"},
        Shown{"https://id/jwks?token=s", "https://id/jwks?token=***"},
        Shown{"https://a:s@id/jwks", "https://a:***@id/jwks"},
        Shown{"https://token@id/jwks", "https://***@id/jwks"},
        Shown{"https://id/jwks?a=s#secret", "https://id/jwks?a=***#***"},
        Shown{"postgresql://a:s#t@db/x", "postgresql://a:***@db/x"}));

INSTANTIATE_TEST_SUITE_P(
    KeywordStrings, Secrets,
    testing::Values(Shown{"host=db user=a", "host=db user=a"},
                    Shown{"host=db password=s user=a", "host=db password=*** user=a"},
                    Shown{"password = 's e\\' c' user=a", "password = *** user=a"},
                    Shown{"password=s\\ e user=a", "password=*** user=a"},
                    Shown{"PASSWORD=s", "PASSWORD=***"}, Shown{"sslpassword=s", "sslpassword=***"},
                    Shown{"password='never closed", "password=***"},
                    Shown{"password=a://b:c@d", "password=***"},
                    Shown{"password password=s", "password password=***"},
                    Shown{"nonsense", "nonsense"}, Shown{"", ""}));

}  // namespace
}  // namespace mana_sync::server
