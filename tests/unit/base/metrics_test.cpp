#include "mana_sync/base/metrics.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace mana_sync {
namespace {

TEST(Metrics, RenderIsPrometheusTextFormat) {  // PROTOCOL 8.2
  Metrics metrics;
  Counter& ok = metrics.counter("fetches_total", "Fetches by result.", "result=\"ok\"");
  Counter& failed = metrics.counter("fetches_total", "Fetches by result.", "result=\"failed\"");
  Gauge& connections = metrics.gauge("connections", "Open connections.");
  ok.add();
  ok.add(2);
  failed.add();
  connections.set(5);
  connections.add(-7);
  EXPECT_EQ(metrics.render(),
            "# HELP fetches_total Fetches by result.\n"
            "# TYPE fetches_total counter\n"
            "fetches_total{result=\"ok\"} 3\n"
            "fetches_total{result=\"failed\"} 1\n"
            "# HELP connections Open connections.\n"
            "# TYPE connections gauge\n"
            "connections -2\n");
}

TEST(Metrics, HistogramsRenderCumulativeBucketsThatEndInInfinity) {  // PROTOCOL 8.2
  Metrics metrics;
  constexpr std::array<int64_t, 2> kBounds = {10, 20};
  Histogram& push = metrics.histogram("rows", "Rows at once.", kBounds, "route=\"push\"");
  metrics.histogram("rows", "Rows at once.", kBounds, "route=\"pull\"");
  for (const int64_t value : {1, 10, 11, 21, 1000}) push.observe(value);
  EXPECT_EQ(metrics.render(),
            "# HELP rows Rows at once.\n"
            "# TYPE rows histogram\n"
            "rows_bucket{route=\"push\",le=\"10\"} 2\n"
            "rows_bucket{route=\"push\",le=\"20\"} 3\n"
            "rows_bucket{route=\"push\",le=\"+Inf\"} 5\n"
            "rows_sum{route=\"push\"} 1043\n"
            "rows_count{route=\"push\"} 5\n"
            "rows_bucket{route=\"pull\",le=\"10\"} 0\n"
            "rows_bucket{route=\"pull\",le=\"20\"} 0\n"
            "rows_bucket{route=\"pull\",le=\"+Inf\"} 0\n"
            "rows_sum{route=\"pull\"} 0\n"
            "rows_count{route=\"pull\"} 0\n");
}

TEST(Metrics, TimesRenderInSeconds) {
  Metrics metrics;
  constexpr std::array<int64_t, 2> kBoundsNs = {25'000, 1'000'000'000};
  metrics.histogram("tick_seconds", "Ticks.", kBoundsNs, "", Measure::kNanoseconds).observe(50'000);
  metrics.counter("cpu_seconds_total", "CPU.", "", Measure::kMicroseconds).add(1'500'000);
  metrics.gauge("start_seconds", "Start.", "", Measure::kMicroseconds).set(1'700'000'000'250'000);
  EXPECT_EQ(metrics.render(),
            "# HELP tick_seconds Ticks.\n"
            "# TYPE tick_seconds histogram\n"
            "tick_seconds_bucket{le=\"2.5e-05\"} 0\n"
            "tick_seconds_bucket{le=\"1\"} 1\n"
            "tick_seconds_bucket{le=\"+Inf\"} 1\n"
            "tick_seconds_sum 5e-05\n"
            "tick_seconds_count 1\n"
            "# HELP cpu_seconds_total CPU.\n"
            "# TYPE cpu_seconds_total counter\n"
            "cpu_seconds_total 1.5\n"
            "# HELP start_seconds Start.\n"
            "# TYPE start_seconds gauge\n"
            "start_seconds 1700000000.25\n");
}

TEST(Metrics, HistogramsMayUseEveryBound) {
  std::array<int64_t, Histogram::kBoundsMax> bounds{};
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = static_cast<int64_t>(i);
  Histogram histogram(bounds);
  for (size_t i = 0; i <= bounds.size(); ++i) histogram.observe(static_cast<int64_t>(i));
  for (size_t i = 0; i <= bounds.size(); ++i) EXPECT_EQ(histogram.count(i), 1);
  EXPECT_EQ(histogram.sum(), 210);
}

TEST(Metrics, EmptyRegistryRendersNothing) {
  EXPECT_EQ(Metrics().render(), "");
}

TEST(Metrics, ReferencesStayValidWhileOthersAreRegistered) {
  Metrics metrics;
  Counter& first = metrics.counter("first_total", "The first.");
  for (int i = 0; i < 1000; ++i) metrics.gauge("gauge_" + std::to_string(i), "One of many.");
  first.add(3);
  EXPECT_NE(metrics.render().find("first_total 3\n"), std::string::npos);
}

}  // namespace
}  // namespace mana_sync
