// Where an answer ends when there is more (PROTOCOL 2.4, 3.2).
#include <gtest/gtest.h>

#include "engine_world.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using namespace testing;  // NOLINT: the tests' own names

class PullPagesTest : public ::testing::Test {
 protected:
  EngineWorld world_;
};

TEST_F(PullPagesTest, APageEndsAtItsLimit_WithTheLastChangesStamp) {  // PROTOCOL 2.4, 3.2
  for (int i = 0; i < 5; ++i) world_.add_row(std::to_string(i), 1'000 + i);
  const Answer first = world_.pull_and_settle(0, {}, 2);
  EXPECT_EQ(first.records, (std::vector<std::string>{"0", "1"}));
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.synced_until_us, 1'001);
  const Answer second = world_.pull_and_settle(first.synced_until_us, {}, 2);
  EXPECT_EQ(second.records, (std::vector<std::string>{"2", "3"}));
  const Answer third = world_.pull_and_settle(second.synced_until_us, {}, 2);
  EXPECT_EQ(third.records, std::vector<std::string>{"4"});
  EXPECT_FALSE(third.has_more);
  EXPECT_GT(third.synced_until_us, 1'004);
}

TEST_F(PullPagesTest, APageOfExactlyTheLimitHasNoMore) {  // PROTOCOL 3.2
  for (int i = 0; i < 3; ++i) world_.add_row(std::to_string(i), 1'000 + i);
  EXPECT_FALSE(world_.pull_and_settle(0, {}, 3).has_more);
}

TEST_F(PullPagesTest, APageEndsAtFourMebibytes) {  // PROTOCOL 3.2
  const std::string data = R"({"f":")" + std::string(limits::kMiB, 'x') + "\"}";
  for (int i = 0; i < 6; ++i) world_.add_row(std::to_string(i), 1'000 + i, data);
  const Answer first = world_.pull_and_settle();
  EXPECT_EQ(first.records.size(), 3u);
  EXPECT_LE(first.text.size(), limits::kAnswerBytesMax);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.synced_until_us, 1'002);
  EXPECT_EQ(world_.pull_and_settle(first.synced_until_us).records.size(), 3u);
}

TEST_F(PullPagesTest, WhatGrowsAsItIsWrittenIsCutToo) {  // PROTOCOL 2.4: what is sent counts
  std::string data = R"({"f0":0)";
  std::string times = R"({"f0":"2024-01-01T10:00:00.000Z")";
  for (int i = 1; i < 20'000; ++i) {
    data.append(",\"f").append(std::to_string(i)).append("\":0");
    times.append(",\"f").append(std::to_string(i)).append("\":\"2024-01-01T10:00:00.000Z\"");
  }
  data += '}';
  times += '}';
  for (int i = 0; i < 4; ++i) {
    world_.rows().add({.stamp_us = 1'000 + i,
                       .op = Op::kUpdate,
                       .table = "t",
                       .record = "r",
                       .client_id = "other",
                       .data = data,
                       .field_timestamps = times});
  }
  const Answer first = world_.pull_and_settle();
  EXPECT_EQ(first.records.size(), 2u);
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.synced_until_us, 1'001);
}

TEST_F(PullPagesTest, AChangeLargerThanAPageIsSentAlone) {  // PROTOCOL 3.2: the cursor moves
  world_.add_row("0", 1'000, R"({"f":")" + std::string(5 * limits::kMiB, 'x') + "\"}");
  world_.add_row("1", 1'001);
  const Answer first = world_.pull_and_settle();
  EXPECT_EQ(first.records, std::vector<std::string>{"0"});
  EXPECT_TRUE(first.has_more);
  EXPECT_EQ(first.synced_until_us, 1'000);
  EXPECT_EQ(world_.pull_and_settle(first.synced_until_us).records, std::vector<std::string>{"1"});
}

TEST_F(PullPagesTest, APageNeverEndsAmongRowsOfOneStamp) {  // PROTOCOL 10.1
  world_.add_row("0", 1'000);
  for (int i = 1; i < 5; ++i) world_.add_row(std::to_string(i), 1'001);
  world_.add_row("5", 1'002);
  const Answer first = world_.pull_and_settle(0, {}, 2);
  EXPECT_EQ(first.records, std::vector<std::string>{"0"});
  const Answer second = world_.pull_and_settle(first.synced_until_us, {}, 2);
  EXPECT_EQ(second.records, (std::vector<std::string>{"1", "2", "3", "4"}));
  EXPECT_EQ(second.synced_until_us, 1'001);
  EXPECT_EQ(world_.pull_and_settle(second.synced_until_us, {}, 2).records,
            std::vector<std::string>{"5"});
}

TEST_F(PullPagesTest, APushIsAnsweredWithFiveThousandChangesAtMost) {  // PROTOCOL 2.4
  for (int i = 0; i < 5'001; ++i) world_.add_row(std::to_string(i), 1'000 + i);
  const Answer answer = world_.push_and_settle("a", {edit_of("mine", "1")});
  EXPECT_EQ(answer.records.size(), 5'000u);
  EXPECT_TRUE(answer.has_more);
  EXPECT_EQ(answer.synced_until_us, 1'000 + 4'999);
  const Answer rest = world_.push_and_settle("a", {}, answer.synced_until_us);
  EXPECT_EQ(rest.records, std::vector<std::string>{"5000"});
  EXPECT_FALSE(rest.has_more);
}

}  // namespace
}  // namespace mana_sync::sync
