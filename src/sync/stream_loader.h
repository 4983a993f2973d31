// Reads streams into memory, a few at a time: a load may be long, and others' reads go over the
// same connections.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/result.h"
#include "mana_sync/sync/store_port.h"
#include "mana_sync/sync/stream_cache.h"

namespace mana_sync::sync {

// One thread.
class StreamLoader {
 public:
  StreamLoader(const Clock& clock, StorePort& store, StreamCache& cache, Metrics& metrics);

  using Done = std::move_only_function<void(Result<void>)>;
  // Applies all stored changes of `stream` to it, chunk by chunk; `done` comes later, once.
  // REQUIRES: the stream is Empty, and busy until `done`.
  void load(Stream& stream, Done done);

 private:
  struct Load {
    Stream* stream;
    Done done;
  };
  void start_next();

  const Clock& clock_;
  StorePort& store_;
  StreamCache& cache_;
  std::deque<Load> waiting_;
  std::vector<SharedText> users_in_flight_;  // of each stream that is being read
  Counter& loads_;
  Counter& loaded_changes_;
  Counter& load_us_;
  Gauge& in_flight_gauge_;
  Gauge& waiting_gauge_;
};

}  // namespace mana_sync::sync
