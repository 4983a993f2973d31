#include "routes.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

http::Request request(http::Method method, std::string_view path) {
  http::Request request;
  request.method = method;
  request.path = path;
  return request;
}

TEST(Routes, PushAndPullNameTheirApp) {
  const auto push = find_route(request(http::Method::kPost, "/sync/todo"));
  ASSERT_TRUE(push);
  EXPECT_EQ(push->endpoint, Endpoint::kPush);
  EXPECT_EQ(push->app_id, "todo");
  const auto pull = find_route(request(http::Method::kGet, "/sync/todo/pull"));
  ASSERT_TRUE(pull);
  EXPECT_EQ(pull->endpoint, Endpoint::kPull);
  EXPECT_EQ(pull->app_id, "todo");
}

TEST(Routes, FollowersAndSocketsNameTheirApp_OrAllApps) {  // PROTOCOL 6.1, 7
  const auto follow = find_route(request(http::Method::kGet, "/sync/todo/stream"));
  ASSERT_TRUE(follow);
  EXPECT_EQ(follow->endpoint, Endpoint::kFollow);
  EXPECT_EQ(follow->app_id, "todo");
  const auto socket = find_route(request(http::Method::kGet, "/ws/to%20do"));
  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->endpoint, Endpoint::kSocket);
  EXPECT_EQ(socket->app_id, "to do");
  const auto all = find_route(request(http::Method::kGet, "/ws"));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->endpoint, Endpoint::kSocket);
  EXPECT_EQ(all->app_id, std::nullopt);
}

TEST(Routes, AppIdIsPercentDecoded) {  // PROTOCOL 9.1
  const auto push = find_route(request(http::Method::kPost, "/sync/my%20app%2Fx+y"));
  ASSERT_TRUE(push);
  EXPECT_EQ(push->app_id, "my app/x+y");
}

TEST(Routes, AppIdMustBe1To255BytesOfUtf8WithoutNul) {  // PROTOCOL 9.1
  const std::string longest = "/sync/" + std::string(255, 'a');
  EXPECT_TRUE(find_route(request(http::Method::kPost, longest)));
  for (const std::string& path :
       {std::string("/sync/"), longest + "a", std::string("/sync/a%00"), std::string("/sync/%ff"),
        std::string("/sync/%zz"), std::string("/sync//pull"), std::string("/sync//stream"),
        std::string("/ws/"), std::string("/ws/%00")}) {
    const bool is_read = path.ends_with("/pull") || path.ends_with("/stream");
    const auto method =
        is_read || path.starts_with("/ws") ? http::Method::kGet : http::Method::kPost;
    const auto route = find_route(request(method, path));
    ASSERT_FALSE(route) << path;
    EXPECT_EQ(route.error().status, 400) << path;
  }
}

TEST(Routes, UnknownPathsAre404) {  // PROTOCOL 9.1
  for (const char* path : {"/", "/healthz", "/sync", "/sync/todo/", "/sync/todo/pull/x", "*",
                           "/wss", "/ws/a/b", "/sync/todo/stream/"}) {
    const auto route = find_route(request(http::Method::kGet, path));
    ASSERT_FALSE(route) << path;
    EXPECT_EQ(route.error().status, 404) << path;
  }
}

TEST(Routes, WrongMethodsAre405WithAllow) {  // PROTOCOL 9.1
  for (const auto& [method, path] :
       {std::pair(http::Method::kGet, "/sync/todo"),
        std::pair(http::Method::kPost, "/sync/todo/pull"),
        std::pair(http::Method::kPost, "/sync/todo/stream"), std::pair(http::Method::kPost, "/ws"),
        std::pair(http::Method::kPost, "/health"), std::pair(http::Method::kOther, "/metrics")}) {
    const auto route = find_route(request(method, path));
    ASSERT_FALSE(route) << path;
    EXPECT_EQ(route.error().status, 405) << path;
    ASSERT_EQ(route.error().headers.size(), 1u);
    EXPECT_EQ(route.error().headers[0].first, "Allow");
  }
}

TEST(Routes, OptionsTellsWhatAPathTakes) {
  const auto route = find_route(request(http::Method::kOptions, "/sync/todo"));
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().status, 204);
  ASSERT_EQ(route.error().headers.size(), 1u);
  EXPECT_EQ(route.error().headers[0].second, "POST, OPTIONS");
}

}  // namespace
}  // namespace mana_sync::server
