// Objects by small integers that are used again, guarded by a generation: a stale id finds nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "mana_sync/base/check.h"

namespace mana_sync {

struct SlotId {
  uint32_t slot = UINT32_MAX;
  uint32_t generation = 0;
  friend bool operator==(const SlotId&, const SlotId&) = default;
  [[nodiscard]] bool valid() const { return slot != UINT32_MAX; }
};

// Owns its objects; their addresses are stable. One thread.
template <class T>
class SlotMap {
 public:
  [[nodiscard]] SlotId insert(std::unique_ptr<T> object) {
    MANA_CHECK(object != nullptr);
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].object = std::move(object);
    ++size_;
    return {slot, slots_[slot].generation};
  }

  // nullptr if the id is stale.
  [[nodiscard]] T* find(SlotId id) const {
    if (id.slot >= slots_.size() || slots_[id.slot].generation != id.generation) return nullptr;
    return slots_[id.slot].object.get();
  }

  // Returns the object, for the caller to destroy. REQUIRES: the id is not stale.
  std::unique_ptr<T> remove(SlotId id) {
    MANA_CHECK(find(id) != nullptr);
    Slot& slot = slots_[id.slot];
    ++slot.generation;
    free_.push_back(id.slot);
    --size_;
    return std::move(slot.object);
  }

  [[nodiscard]] size_t size() const { return size_; }

  template <class Predicate>
  [[nodiscard]] bool all_of(Predicate&& predicate) const {
    return std::ranges::all_of(slots_, [&predicate](const Slot& slot) {
      return slot.object == nullptr || predicate(static_cast<const T&>(*slot.object));
    });
  }

  // Calls `visit(SlotId, T&)` for each object; `visit` may remove the one it is given.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].object != nullptr) visit(SlotId{i, slots_[i].generation}, *slots_[i].object);
    }
  }

 private:
  struct Slot {
    std::unique_ptr<T> object;
    uint32_t generation = 0;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t size_ = 0;
};

}  // namespace mana_sync
