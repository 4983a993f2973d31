#include "comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plot.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Report report_of(double rate, int64_t latency_ns) {
  Report report("push");
  report.add_figure("rate", rate, "1/s");
  Histogram histogram;
  for (int i = 0; i < 100; ++i) histogram.record(latency_ns);
  report.add_latency("push", histogram);
  report.set_per_second({rate, rate});
  return report;
}

TEST(Comparison, TellsTheRatioOfWhatBothHave) {
  const std::string earlier = report_of(1'000, 2'000'000).json();
  Report now = report_of(1'500, 1'000'000);
  now.add_figure("new", 1);
  const auto text = compare(earlier, now);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, HasSubstr("1000.000     1500.000     1.50\n"));
  EXPECT_THAT(*text, HasSubstr("push p99, ms"));
  EXPECT_THAT(*text, HasSubstr("2.000        1.000     0.50\n"));
  EXPECT_THAT(*text, Not(HasSubstr("new")));
}

TEST(Comparison, AnotherScenariosReportOrNone_IsRefused) {
  EXPECT_FALSE(compare(Report("pull").json(), report_of(1, 1)));
  EXPECT_FALSE(compare("{}", report_of(1, 1)));
  EXPECT_FALSE(compare("", report_of(1, 1)));
}

TEST(Plot, HasACurveForEachLatencyAndOneForTheAnswers) {
  const std::string svg = plot(report_of(1'000, 2'000'000));
  size_t curves = 0;
  for (size_t at = 0; (at = svg.find("<polyline", at)) != std::string::npos; ++at) ++curves;
  EXPECT_EQ(curves, 2u);
  EXPECT_THAT(svg, HasSubstr("push: latency by percentile"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(plot(Report("idle")), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace mana_sync::loadgen
