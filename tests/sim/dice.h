// Everything that a run decides at random comes from here, and so from its seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace mana_sync::sim {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}

  // 0 to n - 1. REQUIRES: n > 0.
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  // Both included.
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(size_t n) { return below(n) == 0; }
  bool percent(int64_t of_100) { return between(0, 99) < of_100; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace mana_sync::sim
