// How often a push and a pull may allocate: most requests are small, and answered from memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/spare_strings.h"
#include "mana_sync/base/timestamp.h"
#include "mana_sync/sync/engine.h"
#include "support/allocation_count.h"
#include "support/empty_store.h"

namespace mana_sync::sync {
namespace {

// One stream, in memory.
class AllocationTest : public ::testing::Test {
 protected:
  AllocationTest() { engine_.grant(0, INT64_MAX); }

  // An update of one field of each of as many records.
  [[nodiscard]] std::string next_body(int changes) {
    std::string body = R"({"since":")" + format_cursor_us(engine_.last_stamp_us()) +
                       R"(","clientId":"laptop","changes":[)";
    const std::string time = format_time_ms(++edit_ms_);
    for (int i = 0; i < changes; ++i) {
      if (i > 0) body += ',';
      body += R"({"table":"todos","id":"todo-)" + std::to_string(i) +
              R"(","op":"update","fields":{"title":{"value":"Buy milk","updatedAt":")" + time +
              R"("}}})";
    }
    return body + "]}";
  }
  size_t allocations_of_push(int changes) {
    PushRequest request{.stream = stream_, .client_id = std::nullopt, .body = next_body(changes)};
    const size_t before = allocation_count();
    engine_.push(std::move(request), [this](Result<GatheredText> answer) { take(answer); });
    do {
      engine_.run();
    } while (store_.answer_all());
    return allocation_count() - before;
  }
  size_t allocations_of_pull(std::string client_id) {
    PullRequest request{.stream = stream_,
                        .tables = {},
                        .since_us = engine_.last_stamp_us(),
                        .exclude_client = std::move(client_id),
                        .changes_max = 1'000};
    const size_t before = allocation_count();
    engine_.pull(std::move(request), [this](Result<GatheredText> answer) { take(answer); });
    return allocation_count() - before;
  }
  void take(Result<GatheredText>& answer) {
    ASSERT_TRUE(answer);
    ++answers_;
    keep_spare_string(std::move(answer->own()));
  }
  // Of several times: now and then the stream itself grows.
  template <class Part>
  static size_t least(Part part) {
    size_t least = SIZE_MAX;
    for (int i = 0; i < 20; ++i) least = std::min(least, part());
    return least;
  }

  const StreamName stream_{"3f2c8a7e-5b1d-4c9e-8f60-2a7d9b4e1c35", "todos"};
  ManualClock clock_{1'704'103'500'000'000};
  EmptyStore store_;
  Metrics metrics_;
  Engine engine_{{.cache_bytes_max = 16 << 20, .merge = {.clock_skew_ms_max = 300'000}},
                 clock_,
                 store_,
                 metrics_};
  int64_t edit_ms_ = 1'704'103'400'000;
  int answers_ = 0;
};

TEST_F(AllocationTest, APullThatBringsNothingAllocatesNothing) {
  allocations_of_push(1);
  EXPECT_EQ(least([&] { return allocations_of_pull("laptop-7c1e0d52-93b8-4c55"); }), 0u);
  EXPECT_EQ(answers_, 21);
}

TEST_F(AllocationTest, APushOfOneChangeAllocatesAHandful) {
  EXPECT_LE(least([&] { return allocations_of_push(1); }), 14u);
  EXPECT_EQ(answers_, 20);
}

TEST_F(AllocationTest, APushOfManyChangesAllocatesOnceOrTwiceForEach) {
  EXPECT_LE(least([&] { return allocations_of_push(100); }), 200u);
  EXPECT_EQ(answers_, 20);
}

}  // namespace
}  // namespace mana_sync::sync
