// The parts of the engine that a push and a pull go through.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "allocation_counter.h"
#include "change_format.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/sync/change_tail.h"
#include "mana_sync/sync/changeset.h"
#include "mana_sync/sync/merge.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/stream_cache.h"
#include "samples.h"
#include "waiting_push.h"

namespace mana_sync::sync {
namespace {

void read_changeset(benchmark::State& state) {
  Counter sanitized;
  ChangesetReader reader(sanitized);
  const std::string body = samples::push_body(state.range(0));
  std::string scratch;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    scratch = body;
    allocations.count([&] {
      auto changeset = reader.read(scratch);
      benchmark::DoNotOptimize(changeset);
    });
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(read_changeset)->ArgName("changes")->Arg(1)->Arg(10)->Arg(100);

// Onto cells that hold none of the records, or an earlier edit of each field.
void merge_onto(benchmark::State& state, bool holds_earlier) {
  Counter counter;
  ChangesetReader reader(counter);
  std::string body = samples::push_body(state.range(0));
  const Changeset changeset = *reader.read(body);
  const SystemClock clock;
  Stamps stamps(clock);
  stamps.grant(0, INT64_MAX);
  UuidGenerator ids(random_seed());
  CellTable cells;
  for (const Change& change : changeset.changes) {
    for (const Edit& edit : change.edits) {
      if (!holds_earlier) continue;
      cells.set(cell_key(change.table, change.record, edit.field),
                {.time_ms = samples::kEditMs - 1, .client = client_hash("phone")});
    }
  }
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] {
      CellOverlay overlay(cells);
      benchmark::DoNotOptimize(find_unknowns(changeset, overlay));
      if (!stamps.reserve(changeset.changes.size())) return state.SkipWithError("no lease");
      Merged merged = merge(changeset, {}, overlay, stamps, ids, {.clock_skew_ms_max = 300'000},
                            {.clamped = counter});
      benchmark::DoNotOptimize(merged);
    });
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void merge_onto_empty_cells(benchmark::State& state) {
  merge_onto(state, false);
}
BENCHMARK(merge_onto_empty_cells)->ArgName("changes")->Arg(1)->Arg(10)->Arg(100);

void merge_onto_earlier_edits(benchmark::State& state) {
  merge_onto(state, true);
}
BENCHMARK(merge_onto_earlier_edits)->ArgName("changes")->Arg(1)->Arg(10)->Arg(100);

ChangeRow update_row() {
  return {.stamp_us = 1'700'000'000'000'000,
          .op = Op::kUpdate,
          .table = "todos",
          .record = "todo-1",
          .client_id = "laptop",
          .data = R"({"title": "Buy milk and eggs", "completed": true})",
          .field_timestamps =
              R"({"title": "2024-01-01T10:05:00.000Z", "completed": "2024-01-01T10:06:00.000Z"})",
          .actor = {},
          .origin = {},
          .space_id = {}};
}

void format_change(benchmark::State& state) {
  const ChangeRow row = update_row();
  std::string out;
  AllocationCounter allocations(state);
  for (auto _ : state) {
    out.clear();
    allocations.count([&] { append_change(out, row); });
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(format_change);

// `bytes_beside_text`: what a change takes in the tail beyond its own text.
void append_to_tail(benchmark::State& state) {
  ChangeRow row = update_row();
  std::string text;
  append_change(text, row);
  ChangeTail tail;
  for (auto _ : state) {
    tail.begin(0);
    for (row.stamp_us = 1; row.stamp_us <= state.range(0); ++row.stamp_us)
      tail.append(row, 1 << 30);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_beside_text"] =
      static_cast<double>(tail.bytes()) / static_cast<double>(state.range(0)) -
      static_cast<double>(text.size());
}
BENCHMARK(append_to_tail)->ArgName("changes")->Arg(1)->Arg(10)->Arg(100)->Arg(1'000)->Arg(5'000);

void take_stamp(benchmark::State& state) {
  const SystemClock clock;
  Stamps stamps(clock);
  stamps.grant(0, INT64_MAX);
  for (auto _ : state) {
    if (!stamps.reserve(1)) state.SkipWithError("no lease");
    benchmark::DoNotOptimize(stamps.next());
  }
}
BENCHMARK(take_stamp);

// Streams of as many users, each asked for in turn.
void find_stream(benchmark::State& state) {
  const ManualClock clock;
  const Stamps stamps(clock);
  Metrics metrics;
  StreamCache cache(size_t{1} << 30, stamps, metrics);
  std::vector<StreamName> names;
  for (int64_t i = 0; i < state.range(0); ++i) {
    names.push_back(
        {fmt::format("3f2c8a7e-5b1d-4c9e-8f60-{:012}", i * 7'919), std::string(samples::kAppId)});
    cache.remember(names.back());
  }
  AllocationCounter allocations(state);
  size_t next = 0;
  for (auto _ : state) {
    allocations.count([&] { benchmark::DoNotOptimize(cache.find(names[next])); });
    next = next + 1 < names.size() ? next + 1 : 0;
  }
}
BENCHMARK(find_stream)->ArgName("streams")->Arg(1)->Arg(100)->Arg(50'000);

}  // namespace
}  // namespace mana_sync::sync

BENCHMARK_MAIN();
