#include "process_metrics.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

constexpr int64_t kUsPerSecond = 1'000'000;

int64_t us_of(const timeval& time) {
  return time.tv_sec * kUsPerSecond + time.tv_usec;
}

int64_t clock_us(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kUsPerSecond + now.tv_nsec / 1'000;
}

int64_t cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return us_of(usage.ru_utime) + us_of(usage.ru_stime);
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

constexpr const char* kDescriptors = "/proc/self/fd";

// Since Linux 6.2 the directory's size says how many there are; before, it is 0.
int64_t told_open_fds() {
  struct stat info {};
  return ::stat(kDescriptors, &info) == 0 ? info.st_size : 0;
}

// Some ten milliseconds for 50,000.
int64_t listed_open_fds() {
  std::error_code error;
  std::filesystem::directory_iterator entries(kDescriptors, error);
  int64_t count = 0;
  while (!error && entries != std::filesystem::directory_iterator()) {
    ++count;
    entries.increment(error);
  }
  return count;
}

int64_t fds_max() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(limit.rlim_cur);
}

// Since 1970. /proc/self/stat tells it since the machine's start, in its 22nd field; the second is
// the program's name in parentheses, and may contain anything.
int64_t started_us() {
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  size_t field_at = name_end;
  for (int field = 2; field < 22; ++field) field_at = stat.find(' ', field_at + 1);
  long long ticks = 0;
  if (std::sscanf(stat.c_str() + field_at, "%lld", &ticks) != 1) return 0;
  const int64_t since_boot_us = ticks * kUsPerSecond / ::sysconf(_SC_CLK_TCK);
  return clock_us(CLOCK_REALTIME) - clock_us(CLOCK_BOOTTIME) + since_boot_us;
}

}  // namespace

ProcessMetrics::ProcessMetrics(Metrics& metrics)
    : cpu_us_(metrics.counter("process_cpu_seconds_total",
                              "CPU time of the process, user and system", "",
                              Measure::kMicroseconds)),
      resident_bytes_(metrics.gauge("process_resident_memory_bytes", "Memory in use")),
      open_fds_(metrics.gauge("process_open_fds", "Open descriptors")),
      fds_max_(metrics.gauge("process_max_fds", "How many descriptors may be open")) {
  metrics
      .gauge("process_start_time_seconds", "When the process started, in seconds since 1970", "",
             Measure::kMicroseconds)
      .set(started_us());
}

void ProcessMetrics::update() {
  cpu_us_.add(cpu_us() - cpu_us_.value());
  resident_bytes_.set(resident_bytes());
  update_open_fds();
  fds_max_.set(fds_max());
}

// Anybody may ask for metrics, and as often as he likes: what costs much is done seldom.
void ProcessMetrics::update_open_fds() {
  if (const int64_t told = told_open_fds(); told > 0) return open_fds_.set(told);
  const int64_t now_us = clock_us(CLOCK_MONOTONIC);
  if (now_us < listing_due_us_) return;
  listing_due_us_ = now_us + limits::kDescriptorListingIntervalMs * 1'000;
  open_fds_.set(listed_open_fds());
}

}  // namespace mana_sync::server
