#include "sync_endpoints.h"

#include <gtest/gtest.h>

namespace mana_sync::server {
namespace {

http::Request pull_of(std::string_view query) {
  http::Request request;
  request.method = http::Method::kGet;
  request.query = query;
  return request;
}

Result<sync::PullRequest> read(const http::Request& request) {
  return read_pull(request, "user", "todo");
}

TEST(PullRequest, AMissingOrEmptySinceIsRefused) {  // PROTOCOL 3.4
  for (const char* query : {"collection=t", "collection=t&since=", "since=&collection=t",
                            "collection=t&xsince=2024-01-01T00:00:00Z"}) {
    const auto pull = read(pull_of(query));
    ASSERT_FALSE(pull) << query;
    EXPECT_EQ(pull.error().code, ErrorCode::kInvalid);
  }
}

TEST(PullRequest, ASinceThatCannotBeReadIsTheBeginning) {  // PROTOCOL 3.4, 2.5
  for (const char* query :
       {"collection=t&since=%zz", "since=%&collection=t", "collection=t&since=x"}) {
    const auto pull = read(pull_of(query));
    ASSERT_TRUE(pull) << query;
    EXPECT_EQ(pull->since_us, 0) << query;
  }
}

TEST(PullRequest, TablesAreNamedOnceAndNotWithoutEnd) {  // PROTOCOL 3.3
  const auto pull = read(pull_of("since=x&collections=b,a,,b"));
  ASSERT_TRUE(pull);
  EXPECT_EQ(pull->tables, (std::vector<std::string>{"a", "b"}));
  std::string many = "since=x&collections=";
  for (int i = 0; i < 257; ++i) many += "t" + std::to_string(i) + ",";
  const auto refused = read(pull_of(many));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "collections: at most 256; `*` is all of them");
}

TEST(PullRequest, TwoClientIdsAreRefused) {  // which one's changes are to be left out?
  http::Request request = pull_of("collection=t&since=x");
  request.headers = {{"X-Client-Id", "a"}, {"x-client-id", "b"}};
  EXPECT_FALSE(read(request));
}

TEST(PullRequest, LimitAsksForFewerOnly) {  // PROTOCOL 3.2
  for (const auto& [limit, changes] : {std::pair("5", 5u), std::pair("0", 1'000u),
                                       std::pair("2000", 1'000u), std::pair("x", 1'000u)}) {
    const std::string query = std::string("collection=t&since=x&limit=") + limit;
    EXPECT_EQ(read(pull_of(query))->changes_max, changes) << limit;
  }
}

TEST(FollowRequest, BeginsAtLastEventId_ElseSince_ElseTheBeginning) {  // PROTOCOL 7.1, 2.5
  http::Request request = pull_of("since=2024-01-01T00:00:01Z");
  const auto since_us = [&] { return read_follow(request, "user", "todo")->since_us; };
  constexpr int64_t kBeginUs = 1'704'067'200'000'000;
  EXPECT_EQ(since_us(), kBeginUs + 1'000'000);
  request.headers = {{"Last-Event-ID", "2024-01-01T00:00:02.000001Z"}};
  EXPECT_EQ(since_us(), kBeginUs + 2'000'001);
  request.headers = {{"last-event-id", ""}};
  EXPECT_EQ(since_us(), kBeginUs + 1'000'000);
  request.headers = {{"last-event-id", "x"}};
  EXPECT_EQ(since_us(), 0);
  request.headers.clear();
  request.query = "";
  EXPECT_EQ(since_us(), 0);
}

TEST(FollowRequest, WithoutCollectionsItIsAllTables) {  // PROTOCOL 7.1
  for (const char* query : {"", "collections=*", "collections="}) {
    EXPECT_TRUE(read_follow(pull_of(query), "user", "todo")->tables.empty()) << query;
  }
  EXPECT_EQ(read_follow(pull_of("collections=b,a"), "user", "todo")->tables,
            (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(read_follow(pull_of("collections=,"), "user", "todo"));
}

}  // namespace
}  // namespace mana_sync::server
