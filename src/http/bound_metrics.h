// What the connections of one server hold, and what its bounds refused.
#pragma once

#include "mana_sync/base/metrics.h"

namespace mana_sync::http {

// One thread.
struct BoundMetrics {
  // `metrics` must outlive it.
  explicit BoundMetrics(Metrics& metrics)
      : requests(metrics.gauge("mana_sync_requests_in_flight",
                               "Requests whose head has come and whose answer has not begun.")),
        bodies_bytes(metrics.gauge("mana_sync_bodies_bytes",
                                   "Bytes of the bodies of requests that are not answered yet.")),
        bodies_refused(
            metrics.counter("mana_sync_bodies_refused_total",
                            "Requests refused because the bodies of others took too much.")) {}

  Gauge& requests;
  Gauge& bodies_bytes;
  Counter& bodies_refused;
};

}  // namespace mana_sync::http
