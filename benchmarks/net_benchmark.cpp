// Timers, beside others that are armed.
#include <benchmark/benchmark.h>

#include "allocation_counter.h"
#include "timers.h"

namespace mana_sync::net {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// As many connections that are idle have them: due within a minute.
void arm(Timers& timers, int64_t count) {
  for (int64_t i = 0; i < count; ++i) timers.add(kSecondNs + i * 7919 % (60 * kSecondNs), [] {});
}

void add_and_cancel(benchmark::State& state) {
  Timers timers;
  arm(timers, state.range(0));
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] { timers.cancel(timers.add(30 * kSecondNs, [] {})); });
  }
}
BENCHMARK(add_and_cancel)->ArgName("armed")->Arg(0)->Arg(10'000);

void add_and_fire(benchmark::State& state) {
  Timers timers;
  arm(timers, state.range(0));
  int64_t fired = 0;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] {
      timers.add(1, [&fired] { ++fired; });
      timers.run_due(2);
    });
  }
  if (fired != state.iterations()) state.SkipWithError("a timer did not fire");
}
BENCHMARK(add_and_fire)->ArgName("armed")->Arg(0)->Arg(10'000);

// What each tick asks.
void nothing_is_due(benchmark::State& state) {
  Timers timers;
  arm(timers, state.range(0));
  for (auto _ : state) {
    timers.run_due(2);
    benchmark::DoNotOptimize(timers.next_due_ns());
  }
}
BENCHMARK(nothing_is_due)->ArgName("armed")->Arg(10'000);

}  // namespace
}  // namespace mana_sync::net

BENCHMARK_MAIN();
