#include "request_rates.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>

namespace mana_sync::server {
namespace {

constexpr int64_t kNsPerS = 1'000'000'000;

}  // namespace

RequestRates::RequestRates(const Clock& clock, Metrics& metrics, size_t per_second_max,
                           size_t users_max)
    : clock_(clock),
      interval_ns_(per_second_max == 0 ? 0 : kNsPerS / static_cast<int64_t>(per_second_max)),
      users_max_(users_max),
      users_(metrics.gauge("mana_sync_request_rate_users",
                           "Users whose recent requests count against their rate.")),
      refused_(metrics.counter("mana_sync_requests_over_rate_total",
                               "Requests refused because their user had sent too many.")),
      forgotten_(metrics.counter("mana_sync_request_rates_forgotten_total",
                                 "Users forgotten to make room for others, who begin anew.")) {}

bool RequestRates::admits(std::string_view user_id) {
  if (interval_ns_ == 0) return true;
  const int64_t now_ns = clock_.steady_ns();
  int64_t& full_at_ns = full_at_ns_[hash128(user_id, seed_)];
  const int64_t wanted_ns = std::max(full_at_ns, now_ns) + interval_ns_;
  if (wanted_ns - now_ns > limits::kRequestBurstS * kNsPerS) {
    refused_.add();
    return false;
  }
  full_at_ns = wanted_ns;
  if (full_at_ns_.size() > users_max_) make_room(now_ns);
  users_.set(static_cast<int64_t>(full_at_ns_.size()));
  return true;
}

// Who is forgotten begins anew: some may ask more than they should, nobody less. A part is freed at
// once, so that not every request looks at all.
void RequestRates::make_room(int64_t now_ns) {
  absl::erase_if(full_at_ns_, [now_ns](const auto& user) { return user.second <= now_ns; });
  const size_t kept_max = users_max_ - users_max_ / limits::kRequestRateFreedShare;
  for (; full_at_ns_.size() > kept_max; forgotten_.add()) full_at_ns_.erase(full_at_ns_.begin());
}

}  // namespace mana_sync::server
