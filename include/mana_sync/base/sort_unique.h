// Lists in which order and repeats mean nothing.
#pragma once

#include <algorithm>
#include <vector>

namespace mana_sync {

// Sorts `values`, ascending, and leaves one of each.
template <class T>
void sort_unique(std::vector<T>& values) {
  std::ranges::sort(values);
  const auto repeats = std::ranges::unique(values);
  values.erase(repeats.begin(), repeats.end());
}

}  // namespace mana_sync
