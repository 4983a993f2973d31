#include "timers.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace mana_sync::net {
namespace {

constexpr size_t kArity = 4;

}  // namespace

Timers::~Timers() {
  // What callbacks hold may cancel timers as it dies: none is there then.
  const SlotMap<Timer> dying = std::exchange(timers_, {});
}

TimerId Timers::add(int64_t due_ns, Callback fn) {
  auto owned = std::make_unique<Timer>();
  Timer* const timer = owned.get();
  timer->fn = std::move(fn);
  timer->id = timers_.insert(std::move(owned));
  heap_.emplace_back();
  sift_up(heap_.size() - 1, Entry{due_ns, next_number_++, timer});
  return timer->id;
}

void Timers::cancel(TimerId id) {
  const Timer* const timer = timers_.find(id);
  if (timer == nullptr) return;
  // The callback dies here, after the heap is whole again: its captures may cancel other timers.
  const Callback fn = remove(timer->position);
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
  const std::unique_ptr<Timer> timer = timers_.remove(heap_[position].timer->id);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    if (position > 0 && last.before(heap_[(position - 1) / kArity])) {
      sift_up(position, last);
    } else {
      sift_down(position, last);
    }
  }
  return std::move(timer->fn);
}

void Timers::place(size_t position, const Entry& entry) {
  heap_[position] = entry;
  entry.timer->position = position;
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
