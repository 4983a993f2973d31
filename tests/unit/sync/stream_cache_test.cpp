#include "mana_sync/sync/stream_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "json_tree.h"
#include "waiting_push.h"

namespace mana_sync::sync {
namespace {

constexpr int64_t kStampUs = 1'704'110'400'000'001;
constexpr int64_t kReceiptMs = 1'704'110'400'001;
constexpr int64_t kTenMs = 1'704'103'200'000;

StreamName name_of(int i) {
  return {.user_id = "user" + std::to_string(i), .app_id = "app"};
}

std::optional<Cell> cell_of(const Stream& stream, std::string_view field) {
  return stream.cells.find(cell_key("t", "r", field));
}

ChangeRow row_of(Op op, std::string_view data, std::string_view timestamps,
                 std::string_view client = "a", int64_t stamp_us = kStampUs) {
  return {.stamp_us = stamp_us,
          .op = op,
          .table = "t",
          .record = "r",
          .client_id = client,
          .data = data,
          .field_timestamps = timestamps};
}

TEST(StreamApply, HoldsTheWinnerOfEachField) {  // PROTOCOL 5.1, 5.2
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "",
                      R"({"f": "2024-01-01T10:00:00.000Z", "g": "2024-01-01T12:00:00.001Z"})"));
  ASSERT_TRUE(cell_of(stream, "f"));
  EXPECT_EQ(cell_of(stream, "f")->time_ms, kTenMs);
  EXPECT_EQ(cell_of(stream, "f")->client, client_hash("a"));
  EXPECT_FALSE(cell_of(stream, "f")->receipt_timed);
  EXPECT_EQ(cell_of(stream, "f")->value_hash, 0u);
  EXPECT_TRUE(cell_of(stream, "g")->receipt_timed);  // PROTOCOL 5.8
  // As late by another client: lost. As late by the same: it wins.
  stream.apply(row_of(Op::kUpdate, "", R"({"f": "2024-01-01T10:00:00.000Z"})", "b"));
  EXPECT_EQ(cell_of(stream, "f")->client, client_hash("a"));
  stream.apply(row_of(Op::kUpdate, "", R"({"f": "2024-01-01T10:00:00.001Z"})", "b"));
  EXPECT_EQ(cell_of(stream, "f")->client, client_hash("b"));
}

TEST(StreamApply, UnderstandsOddRows) {  // PROTOCOL 4.3
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kInsert, R"({"plain": 1, "id": "r"})",
                      R"({"object": {"at": "2024-01-01T10:00:00Z"}, "bad": "soon", "no": null})"));
  EXPECT_EQ(cell_of(stream, "object")->time_ms, kTenMs);
  for (const char* field : {"plain", "bad", "no"}) {
    ASSERT_TRUE(cell_of(stream, field)) << field;
    EXPECT_EQ(cell_of(stream, field)->time_ms, kReceiptMs) << field;
    EXPECT_TRUE(cell_of(stream, field)->receipt_timed) << field;
  }
  EXPECT_FALSE(cell_of(stream, "id"));
}

TEST(StreamApply, TakesADeleteAsAnEditOfDeletedAt) {  // PROTOCOL 2.8
  struct Case {
    const char* data;
    const char* timestamps;
    int64_t time_ms;
  };
  for (const Case& test :
       std::initializer_list<Case>{{"", R"({"deletedAt": "2024-01-01T10:00:00.000Z"})", kTenMs},
                                   {R"({"deletedAt": "2024-01-01T10:00:00Z"})", "", kTenMs},
                                   {"", "{}", kReceiptMs},
                                   {R"({"deletedAt": null})", "null", kReceiptMs}}) {
    Stream stream(name_of(1));
    stream.apply(row_of(Op::kDelete, test.data, test.timestamps));
    ASSERT_TRUE(cell_of(stream, "deletedAt"));
    EXPECT_EQ(cell_of(stream, "deletedAt")->time_ms, test.time_ms);
  }
}

TEST(StreamApply, UnescapesFieldNames) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "", R"({"q\"\\": "2024-01-01T10:00:00.000Z"})"));
  EXPECT_TRUE(cell_of(stream, "q\"\\"));
}

TEST(NewestWritesTest, ThereIsNewsWhereAnotherClientWroteAfterTheCursor) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "a", 100));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "b", 200));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "a", 150));
  EXPECT_TRUE(stream.newest.has_news(199, std::nullopt));
  EXPECT_FALSE(stream.newest.has_news(200, std::nullopt));
  EXPECT_TRUE(stream.newest.has_news(199, client_hash("a")));
  EXPECT_FALSE(stream.newest.has_news(150, client_hash("b")));
  EXPECT_TRUE(stream.newest.has_news(149, client_hash("b")));
  EXPECT_TRUE(stream.newest.has_news(0, client_hash("nobody")));
}

// Against every write remembered.
TEST(NewestWritesTest, ItKnowsWhatAllWritesTell) {
  std::mt19937_64 random(std::random_device{}());
  for (int run = 0; run < 200; ++run) {
    NewestWrites newest;
    std::map<uint64_t, int64_t> by_client;
    for (int i = 0; i < 12; ++i) {
      const uint64_t client = 1 + random() % 4;
      const auto stamp_us = static_cast<int64_t>(1 + random() % 30);
      newest.note(client, stamp_us);
      by_client[client] = std::max(by_client[client], stamp_us);
      for (uint64_t asking = 1; asking <= 5; ++asking) {
        for (int64_t since_us = 0; since_us <= 30; ++since_us) {
          const bool expected = std::ranges::any_of(by_client, [&](const auto& wrote) {
            return wrote.first != asking && wrote.second > since_us;
          });
          ASSERT_EQ(newest.has_news(since_us, asking), expected);
        }
      }
    }
  }
}

TEST(StreamForget, LeavesNothing) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "", R"({"f": "2024-01-01T10:00:00.000Z"})"));
  stream.state = Stream::State::kReady;
  stream.newest.note(1, 100);
  stream.forget(200);
  EXPECT_EQ(stream.state, Stream::State::kEmpty);
  EXPECT_TRUE(stream.cells.size() == 0);
  EXPECT_FALSE(stream.newest.has_news(0, std::nullopt));
  EXPECT_EQ(stream.tail.start_us(), 200);
}

class StreamCacheTest : public ::testing::Test {
 protected:
  // Room for three streams without cells.
  static size_t three_streams() { return 3 * Stream(name_of(1)).bytes() + 100; }

  Stream& add(int i) {
    Stream& stream = cache_.get(name_of(i));
    cache_.account(stream);
    return stream;
  }
  bool holds(int i) { return held_.find(name_of(i)) != nullptr; }

  ManualClock clock_;
  Stamps stamps_{clock_};
  Metrics metrics_;
  StreamCache cache_{three_streams(), stamps_, metrics_};
  StreamCache& held_ = cache_;
};

TEST_F(StreamCacheTest, GivesTheSameStreamForAName) {
  Stream& stream = cache_.get(name_of(1));
  EXPECT_EQ(&cache_.get(name_of(1)), &stream);
  EXPECT_EQ(cache_.find(name_of(1)), &stream);
  EXPECT_EQ(cache_.find(name_of(2)), nullptr);
  EXPECT_EQ(cache_.find({.user_id = "user1", .app_id = "other"}), nullptr);
  EXPECT_EQ(cache_.size(), 1u);
}

TEST_F(StreamCacheTest, EvictsTheLeastRecentlyUsedFirst) {
  for (int i = 1; i <= 3; ++i) add(i);
  EXPECT_EQ(cache_.size(), 3u);
  static_cast<void>(cache_.get(name_of(1)));   // used
  static_cast<void>(cache_.find(name_of(2)));  // read
  add(4);
  EXPECT_EQ(cache_.size(), 3u);
  EXPECT_FALSE(holds(3));
  EXPECT_TRUE(holds(1));
  EXPECT_TRUE(holds(2));
  EXPECT_TRUE(holds(4));
}

TEST_F(StreamCacheTest, NeverEvictsAStreamWithSomethingUnderWay) {
  add(1).busy = true;
  add(2).scheduled = true;
  add(3).queue.push_back(std::make_unique<WaitingPush>());
  add(4);
  EXPECT_FALSE(holds(4));  // it alone was idle
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(holds(i)) << i;
  cache_.get(name_of(1)).busy = false;
  add(5).busy = true;
  EXPECT_FALSE(holds(1));
  EXPECT_TRUE(holds(5));
}

TEST_F(StreamCacheTest, CountsWhatAStreamGrewBy) {
  Stream& stream = add(1);
  const size_t before = cache_.bytes();
  stream.busy = true;
  for (int i = 0; i < 1'000; ++i) {
    stream.cells.set(cell_key("t", std::to_string(i), "f"), {});
  }
  cache_.account(stream);
  EXPECT_GT(cache_.bytes(), before + 1'000 * 32);
  EXPECT_TRUE(holds(1));
  stream.busy = false;
  cache_.account(stream);
  EXPECT_FALSE(holds(1));
  EXPECT_LT(cache_.bytes(), 100u);
}

}  // namespace
}  // namespace mana_sync::sync
