#include "routes.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

http::Request request(http::Method method, std::string_view path) {
  http::Request request;
  request.method = method;
  request.path = path;
  request.route = find_route(path);
  return request;
}

TEST(Routes, PathsLeadToTheirEndpoint_WhateverTheirAppId) {
  const auto endpoint_at = [](std::string_view path) {
    return endpoint_of(request(http::Method::kOther, path));
  };
  EXPECT_EQ(endpoint_at("/health"), Endpoint::kHealth);
  EXPECT_EQ(endpoint_at("/metrics"), Endpoint::kMetrics);
  EXPECT_EQ(endpoint_at("/sync/%zz"), Endpoint::kPush);
  EXPECT_EQ(endpoint_at("/sync/app/pull"), Endpoint::kPull);
  EXPECT_EQ(endpoint_at("/sync/app/stream"), Endpoint::kFollow);
  EXPECT_EQ(endpoint_at("/ws"), Endpoint::kSocket);
  EXPECT_EQ(endpoint_at("/elsewhere"), Endpoint::kNone);
}

void expect_route(http::Method method, std::string_view path, Endpoint endpoint,
                  const std::optional<std::string>& app_id) {
  const http::Request asked = request(method, path);
  EXPECT_FALSE(refuse_route(asked)) << path;
  EXPECT_EQ(endpoint_of(asked), endpoint) << path;
  EXPECT_EQ(app_id_of(asked), app_id) << path;
}

TEST(Routes, PushAndPullNameTheirApp) {
  expect_route(http::Method::kPost, "/sync/todo", Endpoint::kPush, "todo");
  expect_route(http::Method::kGet, "/sync/todo/pull", Endpoint::kPull, "todo");
}

TEST(Routes, FollowersAndSocketsNameTheirApp_OrAllApps) {  // PROTOCOL 6.1, 7
  expect_route(http::Method::kGet, "/sync/todo/stream", Endpoint::kFollow, "todo");
  expect_route(http::Method::kGet, "/ws/to%20do", Endpoint::kSocket, "to do");
  expect_route(http::Method::kGet, "/ws", Endpoint::kSocket, std::nullopt);
}

TEST(Routes, AppIdIsPercentDecoded) {  // PROTOCOL 9.1
  expect_route(http::Method::kPost, "/sync/my%20app%2Fx+y", Endpoint::kPush, "my app/x+y");
}

TEST(Routes, AppIdMustBe1To255BytesOfUtf8WithoutNul) {  // PROTOCOL 9.1
  const std::string longest = "/sync/" + std::string(255, 'a');
  EXPECT_FALSE(refuse_route(request(http::Method::kPost, longest)));
  std::string encoded = "/sync/";
  for (int i = 0; i < 255; ++i) encoded += "%61";
  EXPECT_FALSE(refuse_route(request(http::Method::kPost, encoded)));
  for (const std::string& path :
       {std::string("/sync/"), longest + "a", encoded + "a", std::string("/sync/a%00"),
        std::string("/sync/%ff"), std::string("/sync/%zz"), std::string("/sync//pull"),
        std::string("/sync//stream"), std::string("/ws/"), std::string("/ws/%00")}) {
    const bool is_read = path.ends_with("/pull") || path.ends_with("/stream");
    const auto method =
        is_read || path.starts_with("/ws") ? http::Method::kGet : http::Method::kPost;
    const auto refusal = refuse_route(request(method, path));
    ASSERT_TRUE(refusal) << path;
    EXPECT_EQ(refusal->status, 400) << path;
  }
}

TEST(Routes, UnknownPathsAre404) {  // PROTOCOL 9.1
  for (const char* path : {"/", "/healthz", "/sync", "/sync/todo/", "/sync/todo/pull/x", "*",
                           "/wss", "/ws/a/b", "/sync/todo/stream/"}) {
    const auto refusal = refuse_route(request(http::Method::kGet, path));
    ASSERT_TRUE(refusal) << path;
    EXPECT_EQ(refusal->status, 404) << path;
  }
}

TEST(Routes, WrongMethodsAre405WithAllow) {  // PROTOCOL 9.1
  for (const auto& [method, path] :
       {std::pair(http::Method::kGet, "/sync/todo"),
        std::pair(http::Method::kPost, "/sync/todo/pull"),
        std::pair(http::Method::kPost, "/sync/todo/stream"), std::pair(http::Method::kPost, "/ws"),
        std::pair(http::Method::kPost, "/health"), std::pair(http::Method::kOther, "/metrics")}) {
    const auto refusal = refuse_route(request(method, path));
    ASSERT_TRUE(refusal) << path;
    EXPECT_EQ(refusal->status, 405) << path;
    ASSERT_EQ(refusal->headers.size(), 1u);
    EXPECT_EQ(refusal->headers[0].first, "Allow");
  }
}

TEST(Routes, OptionsTellsWhatAPathTakes) {
  const auto answer = refuse_route(request(http::Method::kOptions, "/sync/todo"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  ASSERT_EQ(answer->headers.size(), 1u);
  EXPECT_EQ(answer->headers[0].second, "POST, OPTIONS");
}

}  // namespace
}  // namespace mana_sync::server
