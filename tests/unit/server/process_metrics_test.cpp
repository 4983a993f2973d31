#include "process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <string>

namespace mana_sync::server {
namespace {

class ProcessMetricsTest : public ::testing::Test {
 protected:
  double value(const std::string& name) {
    process_.update();
    const std::string text = metrics_.render();
    const size_t at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return std::stod(text.substr(at + name.size() + 2));
  }

  Metrics metrics_;
  ProcessMetrics process_{metrics_};
};

TEST_F(ProcessMetricsTest, CpuTimeGrowsWithWork) {
  const double before = value("process_cpu_seconds_total");
  EXPECT_GT(before, 0);
  const std::clock_t begun = std::clock();
  while (std::clock() - begun < CLOCKS_PER_SEC / 50) {
  }
  EXPECT_GE(value("process_cpu_seconds_total"), before + 0.019);
}

TEST_F(ProcessMetricsTest, DescriptorsAreCounted_BelowTheirLimit) {
  const double before = value("process_open_fds");
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(value("process_open_fds"), before + 1);
  ::close(fd);
  EXPECT_GT(value("process_max_fds"), before);
}

TEST_F(ProcessMetricsTest, MemoryAndStartArePlausible) {
  EXPECT_GT(value("process_resident_memory_bytes"), 1'000'000);
  const double started = value("process_start_time_seconds");
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_GT(started, now - 3'600);
  EXPECT_LE(started, now + 1);
}

}  // namespace
}  // namespace mana_sync::server
