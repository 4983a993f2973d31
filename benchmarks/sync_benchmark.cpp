// What a push and a pull cost in the engine alone, without sockets and PostgreSQL:
//
//     meson configure build -Dbenchmarks=true && ninja -C build benchmarks/engine_benchmark
//     build/benchmarks/engine_benchmark
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>

#include "change_format.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/sync/change_tail.h"
#include "mana_sync/sync/changeset.h"
#include "mana_sync/sync/merge.h"

namespace mana_sync::sync {
namespace {

std::string push_body(int64_t changes) {
  std::string body = R"({"clientId":"laptop","since":"2024-01-01T00:00:00Z","changes":[)";
  for (int64_t i = 0; i < changes; ++i) {
    if (i > 0) body += ',';
    body += fmt::format(
        R"({{"table":"todos","id":"todo-{}","op":"update","fields":{{)"
        R"("title":{{"value":"Buy milk and eggs","updatedAt":"2024-01-01T10:05:00.000Z"}},)"
        R"("completed":{{"value":true,"updatedAt":"2024-01-01T10:06:00.000Z"}}}}}})",
        i);
  }
  return body + "]}";
}

void read_changeset(benchmark::State& state) {
  Counter sanitized;
  ChangesetReader reader(sanitized);
  const std::string body = push_body(state.range(0));
  for (auto _ : state) {
    std::string scratch = body;
    auto changeset = reader.read(scratch);
    benchmark::DoNotOptimize(changeset);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(read_changeset)->Arg(1)->Arg(10)->Arg(100);

void merge_onto_empty_cells(benchmark::State& state) {
  Counter counter;
  ChangesetReader reader(counter);
  std::string body = push_body(state.range(0));
  const Changeset changeset = *reader.read(body);
  const SystemClock clock;
  Stamps stamps(clock);
  stamps.grant(0, INT64_MAX);
  UuidGenerator ids(random_seed());
  const CellTable cells;
  for (auto _ : state) {
    CellOverlay overlay(cells);
    Merged merged = merge(changeset, {}, overlay, stamps, ids, {.clock_skew_ms_max = 300'000},
                          {.clamped = counter});
    benchmark::DoNotOptimize(merged);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(merge_onto_empty_cells)->Arg(1)->Arg(10)->Arg(100);

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
  for (auto _ : state) {
    out.clear();
    append_change(out, row);
    benchmark::DoNotOptimize(out);
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
BENCHMARK(append_to_tail)->Arg(1)->Arg(10)->Arg(100)->Arg(1'000)->Arg(5'000);

}  // namespace
}  // namespace mana_sync::sync

BENCHMARK_MAIN();
