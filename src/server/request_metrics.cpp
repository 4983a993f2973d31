#include "request_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "mana_sync/base/check.h"
#include "mana_sync/base/probes.h"

namespace mana_sync::server {
namespace {

// By endpoint. Never a path: a stranger could make a series for each that he can think of.
constexpr std::array<const char*, kEndpointCount> kRouteNames = {
    "none", "health", "metrics", "push", "pull", "stream", "socket"};

// From what memory answers to what PostgreSQL keeps waiting (limits::kRequestDeadlineMs).
constexpr std::array<int64_t, 18> kDurationBoundsNs = {
    50'000,      100'000,       250'000,       500'000,       1'000'000,      2'500'000,
    5'000'000,   10'000'000,    25'000'000,    50'000'000,    100'000'000,    250'000'000,
    500'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000, 30'000'000'000};

std::string route_labels(const char* route) {
  return fmt::format("service=\"mana-sync\",route=\"{}\"", route);
}

}  // namespace

RequestMetrics::RequestMetrics(Metrics& metrics) {
  for (size_t endpoint = 0; endpoint < kEndpointCount; ++endpoint) {
    const std::string labels = route_labels(kRouteNames[endpoint]);
    for (size_t i = 0; i < kStatuses.size(); ++i) {
      by_endpoint_[endpoint].by_status[i] =
          &metrics.counter("http_requests_total", "Requests answered, by route and status",
                           fmt::format("{},status=\"{}\"", labels, kStatuses[i]));
    }
  }
  for (size_t endpoint = 0; endpoint < kEndpointCount; ++endpoint) {
    by_endpoint_[endpoint].duration = &metrics.histogram(
        "http_request_duration_seconds", "Time from a request's head to its answer, by route",
        kDurationBoundsNs, route_labels(kRouteNames[endpoint]), Measure::kNanoseconds);
  }
}

void RequestMetrics::count(Endpoint endpoint, int status, int64_t duration_ns) {
  const size_t index = static_cast<size_t>(endpoint);
  probes::request_done(kRouteNames[index], status, duration_ns);
  Series& series = by_endpoint_[index];
  const auto found = std::ranges::find(kStatuses, status);
  MANA_CHECK(found != kStatuses.end());
  series.by_status[static_cast<size_t>(found - kStatuses.begin())]->add();
  series.duration->observe(duration_ns);
}

}  // namespace mana_sync::server
