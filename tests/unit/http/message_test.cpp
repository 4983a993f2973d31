#include "mana_sync/http/message.h"

#include <gtest/gtest.h>

namespace mana_sync::http {
namespace {

TEST(ErrorResponse, HasCodeAndMessageAsJson) {  // PROTOCOL 9.2
  const Response response = error_response(400, "changes[3].op: \"x\" is unknown");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body.str(),
            R"({"error":"bad_request","message":"changes[3].op: \"x\" is unknown"})");
  EXPECT_TRUE(response.headers.empty());
}

TEST(ErrorResponse, RepairsWhatIsNotUtf8) {  // PROTOCOL 9.2
  EXPECT_EQ(error_response(404, "/\xff").body.str(),
            "{\"error\":\"not_found\",\"message\":\"/\xef\xbf\xbd\"}");
}

TEST(ErrorResponse, TellsHowToAuthenticateAndWhenToRetry) {  // PROTOCOL 9.2, 9.5
  const std::pair<std::string, std::string> bearer{"WWW-Authenticate", "Bearer"};
  const std::pair<std::string, std::string> retry{"Retry-After", "1"};
  EXPECT_EQ(error_response(401, "x").headers, std::vector{bearer});
  EXPECT_EQ(error_response(503, "x").headers, std::vector{retry});
}

TEST(ErrorResponse, HasACodeForEveryStatus) {
  EXPECT_EQ(error_code(404), "not_found");
  EXPECT_EQ(error_code(405), "method_not_allowed");
  EXPECT_EQ(error_code(408), "request_timeout");
  EXPECT_EQ(error_code(413), "payload_too_large");
  EXPECT_EQ(error_code(415), "unsupported_media_type");
  EXPECT_EQ(error_code(417), "expectation_failed");
  EXPECT_EQ(error_code(426), "upgrade_required");
  EXPECT_EQ(error_code(431), "headers_too_large");
  EXPECT_EQ(error_code(500), "internal");
  EXPECT_EQ(error_code(503), "unavailable");
  EXPECT_EQ(error_code(505), "version_not_supported");
  EXPECT_EQ(error_code(418), "bad_request");
  EXPECT_EQ(error_code(599), "internal");
}

TEST(PercentDecode, DecodesEscapes) {  // PROTOCOL 9.1
  EXPECT_EQ(percent_decode("a%20b%C3%BC+", false), "a b\xc3\xbc+");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  EXPECT_EQ(percent_decode("%00", false), std::string(1, '\0'));
  EXPECT_EQ(percent_decode("", false), "");
}

TEST(PercentDecode, RefusesMalformedEscapes) {
  for (const char* text : {"%", "%4", "%4g", "%g4", "a%", "%%41", "%-1", "% 1"}) {
    EXPECT_EQ(percent_decode(text, false), std::nullopt) << text;
  }
}

TEST(QueryValue, FindsTheFirstOfAName) {
  EXPECT_EQ(query_value("collection=todos&since=1&since=2", "since"), "1");
  EXPECT_EQ(query_value("since=2024-01-01T10:00:00+02:00", "since"), "2024-01-01T10:00:00 02:00");
  EXPECT_EQ(query_value("a%62c=%26%3D", "abc"), "&=");
  EXPECT_EQ(query_value("a=b=c", "a"), "b=c");
  EXPECT_EQ(query_value("a=&b", "a"), "");
  EXPECT_EQ(query_value("a=&b", "b"), "");
  EXPECT_EQ(query_value("&&a=1", "a"), "1");
}

TEST(QueryValue, IsNothingIfAbsentOrMalformed) {
  EXPECT_EQ(query_value("", "a"), std::nullopt);
  EXPECT_EQ(query_value("ab=1&b=a", "a"), std::nullopt);
  EXPECT_EQ(query_value("a=%zz", "a"), std::nullopt);
}

TEST(Request, FindsHeadersWhateverTheirCase) {
  Request request;
  request.headers = {{"X-Client-Id", "one"}, {"host", "a"}, {"x-client-ID", "two"}};
  EXPECT_EQ(request.header("x-client-id"), "one");
  EXPECT_EQ(request.header("Host"), "a");
  EXPECT_EQ(request.header("Origin"), std::nullopt);
  EXPECT_EQ(request.header_count("X-CLIENT-ID"), 2u);
  EXPECT_EQ(request.header_count("Origin"), 0u);
}

}  // namespace
}  // namespace mana_sync::http
