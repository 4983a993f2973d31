// Allocations as a counter of a benchmark's table.
#pragma once

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "support/allocation_count.h"

namespace mana_sync {

// Reports as `allocs` how often an iteration called operator new, in what was counted.
class AllocationCounter {
 public:
  // `requests`: of an iteration, if it is of each of them that the counter shall tell.
  explicit AllocationCounter(benchmark::State& state, int64_t requests = 1)
      : state_(state), requests_(requests) {}
  ~AllocationCounter() {
    // What grows now and then, as a vector does, is told to a hundredth.
    const double per_request =
        static_cast<double>(allocations_) / static_cast<double>(state_.iterations() * requests_);
    state_.counters["allocs"] = std::round(100 * per_request) / 100;
  }
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  template <class Part>
  void count(Part part) {
    const size_t before = allocation_count();
    part();
    allocations_ += allocation_count() - before;
  }

 private:
  benchmark::State& state_;
  const int64_t requests_;
  size_t allocations_ = 0;
};

}  // namespace mana_sync
