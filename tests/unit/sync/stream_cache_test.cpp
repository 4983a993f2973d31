#include "mana_sync/sync/stream_cache.h"

#include <gtest/gtest.h>

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

const Cell* cell_of(const Stream& stream, std::string_view field) {
  const auto found = stream.cells.find(cell_key("t", "r", field));
  return found == stream.cells.end() ? nullptr : &found->second;
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
  ASSERT_NE(cell_of(stream, "f"), nullptr);
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
    ASSERT_NE(cell_of(stream, field), nullptr) << field;
    EXPECT_EQ(cell_of(stream, field)->time_ms, kReceiptMs) << field;
    EXPECT_TRUE(cell_of(stream, field)->receipt_timed) << field;
  }
  EXPECT_EQ(cell_of(stream, "id"), nullptr);
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
    ASSERT_NE(cell_of(stream, "deletedAt"), nullptr);
    EXPECT_EQ(cell_of(stream, "deletedAt")->time_ms, test.time_ms);
  }
}

TEST(StreamApply, UnescapesFieldNames) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "", R"({"q\"\\": "2024-01-01T10:00:00.000Z"})"));
  EXPECT_NE(cell_of(stream, "q\"\\"), nullptr);
}

TEST(StreamHasNews, IsTrueWhereAnotherClientWroteAfterTheCursor) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "a", 100));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "b", 200));
  stream.apply(row_of(Op::kUpdate, "{}", "{}", "a", 150));
  stream.state = Stream::State::kReady;
  EXPECT_TRUE(stream.has_news(199, std::nullopt));
  EXPECT_FALSE(stream.has_news(200, std::nullopt));
  EXPECT_TRUE(stream.has_news(199, client_hash("a")));
  EXPECT_FALSE(stream.has_news(150, client_hash("b")));
  EXPECT_TRUE(stream.has_news(149, client_hash("b")));
  EXPECT_TRUE(stream.has_news(0, client_hash("nobody")));
}

TEST(StreamForget, LeavesNothing) {
  Stream stream(name_of(1));
  stream.apply(row_of(Op::kUpdate, "", R"({"f": "2024-01-01T10:00:00.000Z"})"));
  stream.state = Stream::State::kReady;
  stream.forget();
  EXPECT_EQ(stream.state, Stream::State::kEmpty);
  EXPECT_TRUE(stream.cells.empty());
  EXPECT_TRUE(stream.newest_by_client.empty());
}

class StreamCacheTest : public ::testing::Test {
 protected:
  // Room for three streams without cells.
  static size_t three_streams() { return 3 * Stream(name_of(1)).bytes() + 10; }

  Stream& add(int i) {
    Stream& stream = cache_.get(name_of(i));
    cache_.account(stream);
    return stream;
  }
  bool holds(int i) { return held_.find(name_of(i)) != nullptr; }

  Metrics metrics_;
  StreamCache cache_{three_streams(), metrics_};
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
    stream.cells[cell_key("t", std::to_string(i), "f")] = {};
  }
  cache_.account(stream);
  EXPECT_GT(cache_.bytes(), before + 1'000 * sizeof(CellMap::value_type));
  EXPECT_TRUE(holds(1));
  stream.busy = false;
  cache_.account(stream);
  EXPECT_FALSE(holds(1));
  EXPECT_EQ(cache_.bytes(), 0u);
}

}  // namespace
}  // namespace mana_sync::sync
