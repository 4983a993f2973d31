// Reads a stream from a cursor on: pulls, and what a push answers with.
#pragma once

#include "mana_sync/sync/engine.h"

namespace mana_sync::sync {

// Stamps of one push, both inclusive; changes in it are not sent back to it.
struct StampRange {
  int64_t first_us = 0;
  int64_t last_us = -1;
  [[nodiscard]] bool contains(int64_t us) const { return us >= first_us && us <= last_us; }
};

// One thread.
class PullService {
 public:
  PullService(StorePort& store, StreamCache& cache, Stamps& stamps, Metrics& metrics);

  // Answers with the stream's changes after the cursor (PROTOCOL §3), but for those in `own`. Where
  // there can be nothing new before the unit in flight is settled, it waits for that.
  void pull(PullRequest request, StampRange own, AnswerCallback done);

 private:
  // Everything in the stream at or below this stamp is settled, and no later change will get it.
  [[nodiscard]] int64_t settled_us(const Stream* stream);

  StorePort& store_;
  StreamCache& cache_;
  Stamps& stamps_;
  Counter& from_memory_;
  Counter& from_store_;
};

}  // namespace mana_sync::sync
