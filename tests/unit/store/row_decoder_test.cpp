#include "row_decoder.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace mana_sync::store {
namespace {

// Rows of ten bytes each, with these stamps.
std::vector<sync::ChangeRow> rows_at(std::initializer_list<int64_t> stamps) {
  std::vector<sync::ChangeRow> rows;
  for (const int64_t stamp : stamps) {
    rows.emplace_back().stamp_us = stamp;
    rows.back().data = "0123456789";
  }
  return rows;
}

constexpr size_t kMany = 1'000'000;

TEST(PageLength, CountBound_IsExact) {
  EXPECT_EQ(page_length(rows_at({1, 2, 3}), 2, kMany), 2U);
  EXPECT_EQ(page_length(rows_at({1, 2, 3}), 3, kMany), 3U);
}

TEST(PageLength, BytesBound_IsExact) {
  EXPECT_EQ(page_length(rows_at({1, 2, 3}), kMany, 29), 2U);
  EXPECT_EQ(page_length(rows_at({1, 2, 3}), kMany, 30), 3U);
}

TEST(PageLength, FirstRow_AlwaysFits) {
  EXPECT_EQ(page_length(rows_at({1, 2}), kMany, 1), 1U);
  EXPECT_EQ(page_length({}, kMany, 1), 0U);
}

// PROTOCOL 10.1
TEST(PageLength, RowsOfOneStamp_AreNotParted) {
  EXPECT_EQ(page_length(rows_at({1, 2, 2, 3}), 2, kMany), 1U);
  EXPECT_EQ(page_length(rows_at({1, 2, 2, 3}), 3, kMany), 3U);
  EXPECT_EQ(page_length(rows_at({2, 2, 2, 3}), 2, kMany), 3U);
  EXPECT_EQ(page_length(rows_at({2, 2, 2, 3}), kMany, 15), 3U);
}

}  // namespace
}  // namespace mana_sync::store
