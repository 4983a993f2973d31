#include "server_answer.h"

#include <gtest/gtest.h>
#include <simdjson.h>

namespace mana_sync::loadgen {
namespace {

TEST(ServerAnswer, ReadsWhatIsLookedAt) {
  simdjson::dom::parser parser;
  const auto answer = ServerAnswer::parse(parser, R"({"serverChanges":[
    {"eventId":"e","table":"todos","id":"r1","op":"insert","data":{"id":"r1","n":7}},
    {"table":"todos","id":"r1","op":"update","fields":{"n":{"value":8,"updatedAt":"t","at":"t"}}},
    {"table":"todos","id":"s","op":"update","fields":{"title":{"value":"v","at":"t"}}},
    {"table":"todos","id":"r1","op":"delete","deletedAt":"t"}],
    "conflicts":[{},{}],"hasMore":true,"syncedUntil":"c"})");
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->changes.size(), 4u);
  EXPECT_EQ(answer->changes[0].number, 7u);
  EXPECT_EQ(answer->changes[1].number, 8u);
  EXPECT_EQ(answer->changes[2].number, std::nullopt);
  EXPECT_EQ(answer->changes[2].shared_value, "v");
  EXPECT_EQ(answer->changes[2].shared_time, "t");
  EXPECT_EQ(answer->changes[3].op, "delete");
  EXPECT_EQ(answer->conflicts, 2u);
  EXPECT_TRUE(answer->has_more);
  EXPECT_EQ(answer->synced_until, "c");
}

TEST(ServerAnswer, WhatIsNoAnswerIsRefused) {
  simdjson::dom::parser parser;
  for (const char* const body :
       {"", "{}", "[]", R"({"serverChanges":[],"conflicts":[]})",
        R"({"serverChanges":[{}],"syncedUntil":"c"})",
        R"({"serverChanges":[{"id":"a","op":"update"}],"syncedUntil":"c"})"}) {
    EXPECT_FALSE(ServerAnswer::parse(parser, body)) << body;
  }
  EXPECT_TRUE(ServerAnswer::parse(parser, R"({"serverChanges":[],"syncedUntil":"c"})"));
}

}  // namespace
}  // namespace mana_sync::loadgen
