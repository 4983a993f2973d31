#include "mana_sync/sync/stamps.h"

#include <algorithm>

#include "mana_sync/base/check.h"

namespace mana_sync::sync {

void Stamps::grant(int64_t floor_us, int64_t high_water_us) {
  last_us_ = std::max(last_us_, floor_us);
  high_water_us_ = std::max(high_water_us_, high_water_us);
  is_suspended_ = false;
}

bool Stamps::reserve(size_t count) {
  reserved_at_us_ = clock_.wall_us();
  const int64_t first = std::max(reserved_at_us_, last_us_ + 1);
  return first + static_cast<int64_t>(count) - 1 <= high_water_us_;
}

int64_t Stamps::next() {
  last_us_ = std::max(reserved_at_us_, last_us_ + 1);
  MANA_CHECK(last_us_ <= high_water_us_);
  return last_us_;
}

int64_t Stamps::cursor() {
  last_us_ = std::max(last_us_, std::min(std::max(clock_.wall_us(), last_us_ + 1), high_water_us_));
  return last_us_;
}

}  // namespace mana_sync::sync
