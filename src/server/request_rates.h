// How often each user may ask (PROTOCOL 9.5).
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/metrics.h"

namespace mana_sync::server {

// A token bucket for each user, as the one time at which it is full again (GCRA): it holds
// kRequestBurstS seconds' worth of requests, so that a device that comes back online can catch up.
// One thread.
class RequestRates {
 public:
  // `per_second_max`: of each user; 0: any number. Both references must outlive it.
  RequestRates(const Clock& clock, Metrics& metrics, size_t per_second_max,
               size_t users_max = limits::kRequestRateUsersMax);

  // Takes one request of the user into account; false: it is one too many, and counts nothing.
  [[nodiscard]] bool admits(std::string_view user_id);

 private:
  void make_room(int64_t now_ns);

  const Clock& clock_;
  const int64_t interval_ns_;  // between two requests that go on for ever; 0: any
  const size_t users_max_;
  const uint64_t seed_ = random_seed();
  // When each bucket is full; a user whose bucket is full need not be there. Two users whose hashes
  // are alike share one.
  absl::flat_hash_map<Hash128, int64_t> full_at_ns_;
  Gauge& users_;
  Counter& refused_;
  Counter& forgotten_;
};

}  // namespace mana_sync::server
