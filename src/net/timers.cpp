#include "timers.h"

#include <algorithm>
#include <utility>

namespace mana_sync::net {
namespace {

constexpr size_t kArity = 4;

}  // namespace

Timers::~Timers() {
  // What callbacks hold may cancel timers as it dies: none is there then.
  const std::vector<Slot> dying = std::exchange(slots_, {});
}

TimerId Timers::add(int64_t due_ns, Callback fn) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].fn = std::move(fn);
  heap_.emplace_back();
  sift_up(heap_.size() - 1, Entry{due_ns, next_number_++, slot});
  return {slot, slots_[slot].generation};
}

void Timers::cancel(TimerId id) {
  if (id.slot >= slots_.size() || slots_[id.slot].generation != id.generation) return;
  // The callback dies here, after the heap is whole again: its captures may cancel other timers.
  const Callback fn = remove(slots_[id.slot].position);
}

void Timers::run_due(int64_t now_ns) {
  const uint64_t numbers_end = next_number_;
  while (!heap_.empty() && heap_[0].due_ns <= now_ns && heap_[0].number < numbers_end) {
    Callback fn = remove(0);
    fn();
  }
}

std::optional<int64_t> Timers::next_due_ns() const {
  if (heap_.empty()) return std::nullopt;
  return heap_[0].due_ns;
}

Timers::Callback Timers::remove(size_t position) {
  const uint32_t slot = heap_[position].slot;
  ++slots_[slot].generation;
  free_.push_back(slot);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    if (position > 0 && last.before(heap_[(position - 1) / kArity])) {
      sift_up(position, last);
    } else {
      sift_down(position, last);
    }
  }
  return std::exchange(slots_[slot].fn, nullptr);
}

void Timers::place(size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<uint32_t>(position);
}

void Timers::sift_up(size_t position, const Entry& entry) {
  while (position > 0) {
    const size_t parent = (position - 1) / kArity;
    if (!entry.before(heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, entry);
}

void Timers::sift_down(size_t position, const Entry& entry) {
  for (;;) {
    const size_t first_child = position * kArity + 1;
    if (first_child >= heap_.size()) break;
    const size_t children_end = std::min(first_child + kArity, heap_.size());
    size_t smallest = first_child;
    for (size_t child = first_child + 1; child < children_end; ++child) {
      if (heap_[child].before(heap_[smallest])) smallest = child;
    }
    if (!heap_[smallest].before(entry)) break;
    place(position, heap_[smallest]);
    position = smallest;
  }
  place(position, entry);
}

}  // namespace mana_sync::net
