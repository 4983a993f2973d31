// Who gets which completion, and what is to be done at the end of the tick.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/base/slot_map.h"
#include "ring.h"

namespace mana_sync::net {

// A request of an OpTarget to be called at a fixed point of a tick.
enum class Visit {
  kDeferred,  // at the start of the next tick, before completions
  kFlush,     // in TickPhase::kSocketFlush
  kRearm,     // in TickPhase::kReceiveRearm
  kReclaim,   // in TickPhase::kReclaim; the target is destroyed after it
};
inline constexpr size_t kVisitCount = 4;

// Something with operations in flight. Lives in Operations, which destroys it at kReclaim only.
class OpTarget {
 public:
  virtual ~OpTarget() = default;
  OpTarget(const OpTarget&) = delete;
  OpTarget& operator=(const OpTarget&) = delete;

  virtual void on_completion(const Completion& completion) = 0;
  // A cancel did not find its operation: it has completed, or was just about to go on.
  virtual void on_cancel_missed() {}
  virtual void on_visit(Visit visit) = 0;

  // Output that waits for its peer: since when, as next_output_time() said, and how much.
  struct Backlog {
    uint64_t since = 0;
    size_t bytes = 0;
  };
  [[nodiscard]] virtual Backlog backlog() const { return {}; }
  // The peer does not take it: it is dropped, and the target with it.
  virtual void drop_backlog() {}

  [[nodiscard]] SlotId id() const { return id_; }

 protected:
  OpTarget() = default;

 private:
  friend class Operations;
  SlotId id_;
};

// One thread.
class Operations {
 public:
  // `output_bytes_max`: of all targets' backlogs.
  Operations(std::unique_ptr<Ring> ring, Metrics& metrics, size_t output_bytes_max);
  // Cancels everything, waits for the last completion and destroys all targets, without a word to
  // their owners.
  ~Operations();

  [[nodiscard]] Ring& ring() { return *ring_; }

  // Takes ownership; the pointer stays valid until the target was visited for kReclaim.
  template <class Target>
  Target* add(std::unique_ptr<Target> target) {
    Target* const raw = target.get();
    raw->id_ = targets_.insert(std::move(target));
    return raw;
  }

  // Once for each visit: a target must not ask again before it was visited.
  void request(Visit visit, const OpTarget& target) {
    requests_[static_cast<size_t>(visit)].push_back(target.id());
  }
  // Visits all that asked before this call. A stale request is ignored.
  void run(Visit visit);
  // During a visit: no other target is visited with this one.
  [[nodiscard]] bool visits_one() const { return visiting_.size() == 1; }
  // Some target waits for a visit: the loop must not sleep.
  [[nodiscard]] bool has_requests() const;

  // Takes over everything that has completed; dispatch() then tells the targets.
  void reap();
  void dispatch();

  // Grows with each call; output that begins to wait gets one.
  [[nodiscard]] uint64_t next_output_time() { return ++output_time_; }
  // Where output_bytes is beyond its bound: drops the backlogs that have waited for longest.
  void shed_output();

  Gauge& output_bytes;  // of all backlogs; whoever has one keeps it up to date
  Counter& slow_readers_closed;
  Counter& accept_paused;
  Counter& receive_starved;
  Counter& received_bytes;
  Counter& sent_bytes;
  Histogram& tick_duration;

 private:
  void dispatch_one(const Completion& completion);
  void abandon_all();
  void drop_oldest_backlogs();

  const int64_t output_bytes_max_;
  uint64_t output_time_ = 0;
  std::unique_ptr<Ring> ring_;
  SlotMap<OpTarget> targets_;
  std::array<std::vector<SlotId>, kVisitCount> requests_;
  std::vector<SlotId> visiting_;
  std::vector<Completion> completions_;
};

}  // namespace mana_sync::net
