#include "expiry.h"

#include <algorithm>
#include <limits>

namespace mana_sync::server {
namespace {

constexpr double kYearS = 365.25 * 86'400;

double left_s(std::optional<double> expires_at_s, int64_t leeway_s, const Clock& clock) {
  if (!expires_at_s) return std::numeric_limits<double>::infinity();
  return *expires_at_s + static_cast<double>(leeway_s) - static_cast<double>(clock.wall_us()) / 1e6;
}

}  // namespace

bool has_expired(std::optional<double> expires_at_s, int64_t leeway_s, const Clock& clock) {
  return left_s(expires_at_s, leeway_s, clock) <= 0;
}

int64_t expiry_ns(std::optional<double> expires_at_s, int64_t leeway_s, const Clock& clock) {
  const double left = left_s(expires_at_s, leeway_s, clock);
  if (left > 10 * kYearS) return kNeverNs;
  return clock.steady_ns() + static_cast<int64_t>(std::max(left, 0.0) * 1e9);
}

}  // namespace mana_sync::server
