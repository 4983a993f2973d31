#include "mana_sync/base/metrics.h"

#include <gtest/gtest.h>

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
