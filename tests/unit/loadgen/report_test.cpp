#include "report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mana_sync::loadgen {
namespace {

using ::testing::HasSubstr;

TEST(Report, JsonHoldsAllThatWasFound) {
  Report report("push");
  report.add_figure("requests", 12);
  report.add_figure("rate", 1.5, "1/s");
  Histogram histogram;
  histogram.record(2'000'000);
  report.add_latency("push", histogram);
  report.set_per_second({7, 5});
  report.add_error("503");
  report.add_error("503", 2);
  report.add_error("none", 0);
  report.add_failure("a \"change\" is lost");
  EXPECT_EQ(report.json(),
            R"({"scenario":"push","figures":{"requests":12,"rate":1.500},)"
            R"("latencies_ms":{"push":{"count":1,"mean":2,"p50":2,"p90":2,"p99":2,"p99.9":2,)"
            R"("p99.99":2,"max":2}},"per_second":[7,5],"errors":{"503":3},)"
            R"("failures":["a \"change\" is lost"]})"
            "\n");
  EXPECT_TRUE(report.has_failed());
}

TEST(Report, ErrorsOfEndlessKindsAreCountedTogether) {
  Report report("push");
  for (size_t i = 0; i < Report::kErrorsMax + 7; ++i) report.add_error(std::to_string(i));
  EXPECT_THAT(report.json(), HasSubstr(R"("49":1)"));
  EXPECT_THAT(report.json(), HasSubstr(R"("others":7)"));
}

TEST(Report, TableNamesUnitsErrorsAndFailures) {
  Report report("idle");
  report.add_figure("until all were authenticated", 0.25, "s");
  report.add_error("connect: Connection refused");
  report.add_failure("lost");
  EXPECT_THAT(report.table(), HasSubstr("0.250 s\n"));
  EXPECT_THAT(report.table(), HasSubstr("error: connect: Connection refused"));
  EXPECT_THAT(report.table(), HasSubstr("FAILED: lost\n"));
}

}  // namespace
}  // namespace mana_sync::loadgen
