// http_requests_total and http_request_duration_seconds (PROTOCOL 8.2).
#pragma once

#include <array>
#include <cstdint>

#include "mana_sync/base/metrics.h"
#include "routes.h"

namespace mana_sync::server {

// Every status that the server answers with.
inline constexpr std::array kStatuses = {101, 200, 204, 400, 401, 404, 405, 408, 413,
                                         415, 417, 426, 429, 431, 500, 503, 505};

// One thread. Counts without a lookup by name: what a request costs does not depend on how many
// series there are.
class RequestMetrics {
 public:
  // `metrics` must outlive it.
  explicit RequestMetrics(Metrics& metrics);

  // An answer is about to be sent. kNone: nothing is at the path, or the head could not be read.
  // `duration_ns`: from the head's end to the answer, of which only the head may be there yet.
  void count(Endpoint endpoint, int status, int64_t duration_ns);

 private:
  struct Series {
    std::array<Counter*, kStatuses.size()> by_status;
    Histogram* duration;
  };
  std::array<Series, kEndpointCount> by_endpoint_;
};

}  // namespace mana_sync::server
