#include "mana_sync/ws/handshake.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace mana_sync::ws {
namespace {

using http::Request;
using http::Response;

// RFC 6455 §1.3.
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

Request good_request() {
  Request request;
  request.method = http::Method::kGet;
  request.path = "/ws";
  request.headers = {{"Host", "server.example.com"},
                     {"Upgrade", "websocket"},
                     {"Connection", "Upgrade"},
                     {"Sec-WebSocket-Key", kKey},
                     {"Origin", "http://example.com"},
                     {"Sec-WebSocket-Protocol", "chat, superchat"},
                     {"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"},
                     {"Sec-WebSocket-Version", "13"}};
  return request;
}

// The good request with that header's value changed, or without it.
Request request_with(std::string_view name, std::optional<std::string_view> value) {
  Request request = good_request();
  const auto header = std::find_if(request.headers.begin(), request.headers.end(),
                                   [&](const auto& h) { return h.first == name; });
  if (value) {
    header->second = *value;
  } else {
    request.headers.erase(header);
  }
  return request;
}

std::string header(const Response& response, std::string_view name) {
  for (const auto& [header_name, value] : response.headers) {
    if (header_name == name) return value;
  }
  return "(none)";
}

int status_of(const Request& request) {
  const auto answer = answer_handshake(request);
  return answer ? answer->status : answer.error().status;
}

TEST(Handshake, AnswersTheExampleOfTheRfc) {  // RFC 6455 §1.3
  EXPECT_EQ(accept_value(kKey), kAccept);
  const auto answer = answer_handshake(good_request());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 101);
  EXPECT_EQ(header(*answer, "Upgrade"), "websocket");
  EXPECT_EQ(header(*answer, "Sec-WebSocket-Accept"), kAccept);
}

TEST(Handshake, AgreesOnNoExtensionAndNoSubprotocol) {  // RFC 6455 §4.2.2
  const auto answer = answer_handshake(good_request());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(header(*answer, "Sec-WebSocket-Extensions"), "(none)");
  EXPECT_EQ(header(*answer, "Sec-WebSocket-Protocol"), "(none)");
}

TEST(Handshake, HeadersAreListsOfTokensWithoutCase) {  // RFC 6455 §4.2.1, RFC 9110 §5.6.1
  EXPECT_EQ(status_of(request_with("Upgrade", "WebSocket")), 101);
  EXPECT_EQ(status_of(request_with("Upgrade", "h2c, \twebsocket ")), 101);
  EXPECT_EQ(status_of(request_with("Connection", "keep-alive, Upgrade")), 101);
  EXPECT_EQ(status_of(request_with("Connection", ",,UPGRADE,")), 101);
  Request request = request_with("Connection", "keep-alive");
  request.headers.emplace_back("connection", "upgrade");
  EXPECT_EQ(status_of(request), 101);
  EXPECT_EQ(status_of(request_with("Sec-WebSocket-Version", " 13 ")), 101);
}

TEST(Handshake, PlainGetIsToldToUpgrade) {  // PROTOCOL 6.6
  Request old = good_request();
  old.version_minor = 0;
  Request plain = request_with("Upgrade", std::nullopt);
  Request head = plain;
  head.method = http::Method::kHead;
  for (const Request& request :
       {plain, head, old, request_with("Upgrade", "h2c"), request_with("Upgrade", "websockets"),
        request_with("Upgrade", "")}) {
    const auto answer = answer_handshake(request);
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().status, 426);
    EXPECT_EQ(header(answer.error(), "Upgrade"), "websocket");
    EXPECT_NE(answer.error().body.str().find("upgrade_required"), std::string::npos);
  }
}

TEST(Handshake, AnotherVersionIsToldTheRightOne) {  // PROTOCOL 6.6, RFC 6455 §4.4
  for (const std::string_view version : {"8", "12", "14", "013", "13, 8", "x", ""}) {
    const auto answer = answer_handshake(request_with("Sec-WebSocket-Version", version));
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().status, 426);
    EXPECT_EQ(header(answer.error(), "Sec-WebSocket-Version"), "13");
  }
}

TEST(Handshake, MalformedRequestsAreRefused) {  // RFC 6455 §4.2.1
  Request post = good_request();
  post.method = http::Method::kPost;
  EXPECT_EQ(status_of(post), 400);
  EXPECT_EQ(status_of(request_with("Connection", std::nullopt)), 400);
  EXPECT_EQ(status_of(request_with("Connection", "keep-alive")), 400);
  EXPECT_EQ(status_of(request_with("Connection", "not-upgrade")), 400);
  EXPECT_EQ(status_of(request_with("Sec-WebSocket-Version", std::nullopt)), 400);
  EXPECT_EQ(status_of(request_with("Sec-WebSocket-Key", std::nullopt)), 400);
  for (const std::string_view name : {"Sec-WebSocket-Version", "Sec-WebSocket-Key"}) {
    Request twice = good_request();
    const bool is_key = name == "Sec-WebSocket-Key";
    twice.headers.emplace_back(name, is_key ? kKey : "13");
    EXPECT_EQ(status_of(twice), 400) << name;
  }
}

TEST(Handshake, KeyIsSixteenBytesOfBase64) {  // RFC 6455 §4.1
  for (const std::string_view key :
       {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQAAAAA=", "dGhl IHNhbXBsZSBub25jQ==", "dGhlIHNhbXBsZS-ub25jZQ==",
        "========================"}) {
    EXPECT_EQ(status_of(request_with("Sec-WebSocket-Key", key)), 400) << key;
  }
  EXPECT_EQ(status_of(request_with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")), 101);
  EXPECT_EQ(status_of(request_with("Sec-WebSocket-Key", "++++++++++++++++/////g==")), 101);
}

}  // namespace
}  // namespace mana_sync::ws
