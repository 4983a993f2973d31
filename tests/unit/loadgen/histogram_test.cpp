#include "histogram.h"

#include <gtest/gtest.h>

namespace mana_sync::loadgen {
namespace {

TEST(Histogram, Empty_SaysZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.percentile_ns(50), 0);
  EXPECT_EQ(histogram.max_ns(), 0);
  EXPECT_EQ(histogram.mean_ns(), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t value = 1; value <= 100; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile_ns(0), 1);
  EXPECT_EQ(histogram.percentile_ns(50), 50);
  EXPECT_EQ(histogram.percentile_ns(99), 99);
  EXPECT_EQ(histogram.percentile_ns(99.1), 100);
  EXPECT_EQ(histogram.percentile_ns(100), 100);
  EXPECT_DOUBLE_EQ(histogram.mean_ns(), 50.5);
}

TEST(Histogram, AnyValueIsToldToWithinOneIn128) {
  for (int64_t value = 1; value < Histogram::kValueNsMax / 3; value = value * 3 / 2 + 1) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(Histogram::kValueNsMax);
    const int64_t told = histogram.percentile_ns(50);
    EXPECT_GE(told, value);
    EXPECT_LE(told - value, value / 128) << value;
  }
}

TEST(Histogram, TheRareOnesAreInTheTail) {
  Histogram histogram;
  for (int i = 0; i < 9'999; ++i) histogram.record(1'000'000);
  histogram.record(50'000'000);
  EXPECT_LE(histogram.percentile_ns(99.99), 1'010'000);
  EXPECT_EQ(histogram.percentile_ns(99.995), 50'000'000);
  EXPECT_EQ(histogram.max_ns(), 50'000'000);
}

TEST(Histogram, OutOfRange_CountsAsTheNearest) {
  Histogram histogram;
  histogram.record(-5);
  EXPECT_EQ(histogram.percentile_ns(100), 0);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.max_ns(), Histogram::kValueNsMax);
  EXPECT_EQ(histogram.percentile_ns(100), Histogram::kValueNsMax);
}

TEST(Histogram, Add_IsAsIfAllWereRecordedInOne) {
  Histogram one;
  Histogram other;
  for (int64_t value = 1; value <= 50; ++value) one.record(value);
  for (int64_t value = 51; value <= 100; ++value) other.record(value);
  one.add(other);
  EXPECT_EQ(one.count(), 100u);
  EXPECT_EQ(one.percentile_ns(75), 75);
  EXPECT_EQ(one.max_ns(), 100);
  EXPECT_DOUBLE_EQ(one.mean_ns(), 50.5);
}

}  // namespace
}  // namespace mana_sync::loadgen
