#include "request_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "mana_sync/base/check.h"
#include "mana_sync/base/probes.h"

namespace mana_sync::server {
namespace {

// By endpoint. Never a path: a stranger could make a series for each that he can think of.
constexpr std::array<const char*, kEndpointCount + 1> kRouteNames = {
    "health", "metrics", "push", "pull", "stream", "socket", "none"};

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
  for (size_t route = 0; route < routes_.size(); ++route) {
    const std::string labels = route_labels(kRouteNames[route]);
    for (size_t i = 0; i < kStatuses.size(); ++i) {
      routes_[route].by_status[i] =
          &metrics.counter("http_requests_total", "Requests answered, by route and status",
                           fmt::format("{},status=\"{}\"", labels, kStatuses[i]));
    }
  }
  for (size_t route = 0; route < routes_.size(); ++route) {
    routes_[route].duration = &metrics.histogram(
        "http_request_duration_seconds", "Time from a request's head to its answer, by route",
        kDurationBoundsNs, route_labels(kRouteNames[route]), Measure::kNanoseconds);
  }
}

void RequestMetrics::count(std::optional<Endpoint> endpoint, int status, int64_t duration_ns) {
  const size_t index = endpoint ? static_cast<size_t>(*endpoint) : kEndpointCount;
  probes::request_done(kRouteNames[index], status, duration_ns);
  Route& route = routes_[index];
  const auto found = std::ranges::find(kStatuses, status);
  MANA_CHECK(found != kStatuses.end());
  route.by_status[static_cast<size_t>(found - kStatuses.begin())]->add();
  route.duration->observe(duration_ns);
}

}  // namespace mana_sync::server
