// What the kernel knows of the process, under the names that every Prometheus client gives it.
#pragma once

#include <cstdint>

#include "mana_sync/base/metrics.h"

namespace mana_sync::server {

// One thread.
class ProcessMetrics {
 public:
  // `metrics` must outlive it.
  explicit ProcessMetrics(Metrics& metrics);

  // Asks the kernel: for each scrape, and at no other time. What /proc does not tell is 0.
  void update();

 private:
  void update_open_fds();

  Counter& cpu_us_;
  Gauge& resident_bytes_;
  Gauge& open_fds_;
  Gauge& fds_max_;
  int64_t listing_due_us_ = 0;
};

}  // namespace mana_sync::server
