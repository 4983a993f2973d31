// Whole pushes and pulls in the engine, without sockets and PostgreSQL.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "allocation_counter.h"
#include "cpu_time.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/spare_strings.h"
#include "mana_sync/sync/engine.h"
#include "samples.h"
#include "support/empty_store.h"

namespace mana_sync::sync {
namespace {

// One stream, in memory.
class EngineBenchmark : public benchmark::Fixture {
 public:
  EngineBenchmark() { engine_.grant(0, INT64_MAX); }

 protected:
  void push(std::string body) {
    engine_.push({.stream = stream_, .client_id = std::nullopt, .body = std::move(body)},
                 [this](Result<GatheredText> answer) { take(std::move(answer)); });
    do {
      engine_.run();
    } while (store_.answer_all());
  }
  // The next push of that many changes: later edits of the same records.
  [[nodiscard]] std::string next_body(int64_t changes) {
    return samples::push_body(changes, ++edit_ms_, engine_.last_stamp_us());
  }
  void take(Result<GatheredText> answer) {
    failed_ |= !answer;
    last_bytes_ = answer ? answer->size() : 0;
    if (answer) keep_spare_string(std::move(answer->own()));
  }

  const StreamName stream_{std::string(samples::kUserId), std::string(samples::kAppId)};
  const SystemClock clock_;
  EmptyStore store_;
  Metrics metrics_;
  Engine engine_{{.cache_bytes_max = 256 << 20, .merge = {.clock_skew_ms_max = 300'000}},
                 clock_,
                 store_,
                 metrics_};
  int64_t edit_ms_ = samples::kEditMs;
  bool failed_ = false;
  size_t last_bytes_ = 0;  // of the last answer
};

BENCHMARK_DEFINE_F(EngineBenchmark, pull)(benchmark::State& state) {
  push(next_body(1));
  const int64_t since_us = engine_.last_stamp_us();
  if (state.range(0) > 0) push(next_body(state.range(0)));
  const PullRequest request{.stream = stream_,
                            .tables = {},
                            .since_us = since_us,
                            .exclude_client = "phone",
                            .changes_max = 1'000};
  // Making requests is not the engine's work: many are made at once, untimed.
  constexpr size_t kRequests = 1'000;
  std::vector<PullRequest> requests;
  AllocationCounter allocations(state);
  while (state.KeepRunningBatch(kRequests)) {
    state.PauseTiming();
    requests.assign(kRequests, request);
    state.ResumeTiming();
    allocations.count([&] {
      for (PullRequest& one : requests) {
        engine_.pull(std::move(one),
                     [this](Result<GatheredText> answer) { take(std::move(answer)); });
      }
    });
  }
  if (failed_) state.SkipWithError("a pull failed");
  state.counters["bytes"] = static_cast<double>(last_bytes_);
}
BENCHMARK_REGISTER_F(EngineBenchmark, pull)->ArgName("changes")->Arg(0)->Arg(1)->Arg(20)->Arg(500);

BENCHMARK_DEFINE_F(EngineBenchmark, push)(benchmark::State& state) {
  push(next_body(state.range(0)));
  AllocationCounter allocations(state);
  for (auto _ : state) {
    std::string body = next_body(state.range(0));
    const int64_t begun_ns = cpu_time_ns();
    allocations.count([&] { push(std::move(body)); });
    state.SetIterationTime(static_cast<double>(cpu_time_ns() - begun_ns) / 1e9);
  }
  if (failed_) state.SkipWithError("a push failed");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_REGISTER_F(EngineBenchmark, push)
    ->ArgName("changes")
    ->Arg(1)
    ->Arg(10)
    ->Arg(100)
    ->UseManualTime();

}  // namespace
}  // namespace mana_sync::sync

BENCHMARK_MAIN();
