#include "mana_sync/http/cors.h"

#include <gtest/gtest.h>

namespace mana_sync::http {
namespace {

CorsPolicy policy(std::string_view list) {
  auto parsed = CorsPolicy::parse(list);
  EXPECT_TRUE(parsed.has_value()) << list;
  return parsed.value_or(CorsPolicy());
}

TEST(CorsPolicy, AllowsWhatTheListNames) {  // PROTOCOL 9.4
  const CorsPolicy cors = policy("https://a.example, http://localhost:5173 ,, ");
  EXPECT_TRUE(cors.allows("https://a.example"));
  EXPECT_TRUE(cors.allows("http://localhost:5173"));
  EXPECT_FALSE(cors.allows("http://a.example"));
  EXPECT_FALSE(cors.allows("https://a.example.evil"));
  EXPECT_FALSE(cors.allows("https://a.exampl"));
  EXPECT_FALSE(cors.allows("null"));
  EXPECT_FALSE(cors.allows(""));
}

TEST(CorsPolicy, EmptyListAllowsNothing) {
  EXPECT_FALSE(policy("").allows("https://a.example"));
  EXPECT_FALSE(CorsPolicy().allows("https://a.example"));
}

TEST(CorsPolicy, StarAloneAllowsEveryOrigin) {  // PROTOCOL 9.4
  EXPECT_TRUE(policy("*").allows("https://a.example"));
  EXPECT_TRUE(policy("https://b.example, *").allows("null"));
  EXPECT_FALSE(policy("*").allows(""));
}

TEST(CorsPolicy, StarInsideStandsForAPartOfAHost) {  // PROTOCOL 9.4
  const CorsPolicy cors = policy("https://*.a.example,http://localhost:*");
  EXPECT_TRUE(cors.allows("https://x.a.example"));
  EXPECT_TRUE(cors.allows("https://x.y.a.example"));
  EXPECT_TRUE(cors.allows("http://localhost:5173"));
  EXPECT_FALSE(cors.allows("https://.a.example"));
  EXPECT_FALSE(cors.allows("https://a.example"));
  EXPECT_FALSE(cors.allows("https://evil/x.a.example"));
  EXPECT_FALSE(cors.allows("https://x.a.example.evil"));
  EXPECT_FALSE(cors.allows("http://localhost:"));
}

TEST(CorsPolicy, TwoStarsAreAMistakeThatIsNamed) {
  const auto parsed = CorsPolicy::parse("https://ok.example,https://*.*.example");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
  EXPECT_NE(parsed.error().message.find("https://*.*.example"), std::string::npos);
}

TEST(CorsPolicy, WritesHeadersForAllowedOriginsAlone) {  // PROTOCOL 9.4
  const CorsPolicy cors = policy("https://a.example");
  std::string out;
  cors.append_headers(out, "https://b.example");
  EXPECT_EQ(out, "");
  cors.append_headers(out, "https://a.example");
  EXPECT_EQ(out,
            "Access-Control-Allow-Origin: https://a.example\r\n"
            "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
}

}  // namespace
}  // namespace mana_sync::http
