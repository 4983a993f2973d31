// Timers by due time: a 4-ary heap in which each timer knows its place, so that starting and
// cancelling are O(log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "mana_sync/base/slot_map.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::net {

// Times are Clock::steady_ns(). One thread.
class Timers {
 public:
  using Callback = Loop::Callback;

  Timers() = default;
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  TimerId add(int64_t due_ns, Callback fn);
  // Does nothing if the id is stale.
  void cancel(TimerId id);
  // Calls those due at `now_ns`, in the order of their due times, then of their making; those made
  // meanwhile wait for the next call.
  void run_due(int64_t now_ns);
  // nullopt: none.
  [[nodiscard]] std::optional<int64_t> next_due_ns() const;

 private:
  struct Timer {
    Callback fn;
    TimerId id;
    size_t position = 0;  // in heap_
  };
  struct Entry {
    int64_t due_ns;
    uint64_t number;  // in the order of their making
    Timer* timer;
    [[nodiscard]] bool before(const Entry& other) const {
      return due_ns != other.due_ns ? due_ns < other.due_ns : number < other.number;
    }
  };

  Callback remove(size_t position);
  void place(size_t position, const Entry& entry);
  void sift_up(size_t position, const Entry& entry);
  void sift_down(size_t position, const Entry& entry);

  std::vector<Entry> heap_;
  SlotMap<Timer> timers_;
  uint64_t next_number_ = 0;
};

}  // namespace mana_sync::net
