// What the cache counts against its budget, beside what the allocator gave for it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>

#include "mana_sync/base/clock.h"
#include "mana_sync/sync/stream_cache.h"

namespace mana_sync::sync {
namespace {

size_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct Population {
  int streams;
  int records;  // of each stream
  int fields;   // of each record
  int changes;  // in the tail, of each stream
};

class CacheMemoryTest : public ::testing::TestWithParam<Population> {};

TEST_P(CacheMemoryTest, WhatIsCountedIsWithinAFifthOfWhatTheAllocatorGave) {
  const Population& population = GetParam();
  const ManualClock clock;
  const Stamps stamps(clock);
  Metrics metrics;
  const size_t before = allocated_bytes();
  if (before == 0) GTEST_SKIP() << "a sanitizer's allocator does not tell";
  StreamCache cache(1 << 30, stamps, metrics);
  for (int i = 0; i < population.streams; ++i) {
    Stream& stream = cache.get({fmt::format("6f9619ff-8b86-d011-b42d-{:012}", i), "todo"});
    for (int record = 0; record < population.records; ++record) {
      for (int field = 0; field < population.fields; ++field) {
        stream.cells.set(cell_key("t", std::to_string(record), std::to_string(field)),
                         {.time_ms = 1, .client = client_hash("laptop"), .value_hash = 7});
      }
    }
    for (int change = 1; change <= population.changes; ++change) {
      cache.append(stream, {.stamp_us = change,
                            .table = "todos",
                            .record = "todo-1",
                            .client_id = "laptop",
                            .data = R"({"title":"Buy milk and eggs","completed":true})",
                            .field_timestamps = R"({"title":"2024-01-01T10:05:00.000Z",)"
                                                R"("completed":"2024-01-01T10:06:00.000Z"})"});
    }
    cache.account(stream);
  }
  const auto allocated = static_cast<double>(allocated_bytes() - before);
  const double ratio = static_cast<double>(cache.bytes()) / allocated;
  RecordProperty("bytes_a_stream", std::to_string(allocated / population.streams));
  EXPECT_GT(ratio, 0.8) << allocated << " allocated, " << cache.bytes() << " counted";
  EXPECT_LT(ratio, 1.2) << allocated << " allocated, " << cache.bytes() << " counted";
}

INSTANTIATE_TEST_SUITE_P(Populations, CacheMemoryTest,
                         ::testing::Values(Population{4'000, 0, 0, 0}, Population{4'000, 1, 3, 1},
                                           Population{1'000, 10, 3, 10},
                                           Population{100, 300, 4, 200},
                                           Population{1, 20'000, 4, 10'000}));

}  // namespace
}  // namespace mana_sync::sync
