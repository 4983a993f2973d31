// The server's own time (ARCHITECTURE §5): stamps of changes and cursors, strictly ascending over
// clock steps, and never above what the lease in PostgreSQL covers, so that they ascend over
// restarts too (PROTOCOL 10.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "mana_sync/base/clock.h"

namespace mana_sync::sync {

// Stamps from `first_us` to `last_us`, both included; empty by default.
struct StampRange {
  int64_t first_us = 0;
  int64_t last_us = -1;
  [[nodiscard]] bool contains(int64_t us) const { return us >= first_us && us <= last_us; }
};

// One thread. All times are microseconds since 1970.
class Stamps {
 public:
  explicit Stamps(const Clock& clock) : clock_(clock) {}

  // The lease allows stamps and cursors in (floor_us, high_water_us].
  void grant(int64_t floor_us, int64_t high_water_us);

  // Until the next grant, another process may have been granted what lies above.
  void suspend() { is_suspended_ = true; }

  // Whether a cursor may be another process's, that this one knows nothing of: it is later than any
  // that was handed out here.
  [[nodiscard]] bool may_be_foreign(int64_t cursor_us) const {
    return is_suspended_ && cursor_us > last_us_;
  }

  // Reads the wall clock for the next `count` stamps. false: the lease does not cover them.
  [[nodiscard]] bool reserve(size_t count);

  // max(wall clock when it was reserved, last + 1). REQUIRES: reserved, and no cursor() since.
  [[nodiscard]] int64_t next();

  // A cursor for an answer that holds everything up to now: later than every cursor and stamp
  // before, and counted as handed out. At the lease's end it stands still.
  [[nodiscard]] int64_t cursor();

  // The newest stamp or cursor handed out.
  [[nodiscard]] int64_t last() const { return last_us_; }

 private:
  const Clock& clock_;
  int64_t last_us_ = 0;
  int64_t reserved_at_us_ = 0;
  int64_t high_water_us_ = 0;
  bool is_suspended_ = false;
};

}  // namespace mana_sync::sync
