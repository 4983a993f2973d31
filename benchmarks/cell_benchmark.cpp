// What a stream's cells cost, in time and in memory, beside the same cells in absl's hash map:
//
//     meson configure build -Dbenchmarks=true && ninja -C build benchmarks/cell_benchmark
//     build/benchmarks/cell_benchmark
//
// `bytes_per_cell` is at that very size, `worst` the most at any size from there to its double.
#include <absl/container/flat_hash_map.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "mana_sync/sync/cells.h"

namespace mana_sync::sync {
namespace {

// absl's map with CellTable's interface.
class AbslMap {
 public:
  [[nodiscard]] std::optional<Cell> find(const CellKey& key) const {
    const auto found = cells_.find(key);
    return found == cells_.end() ? std::nullopt : std::optional(found->second);
  }
  void set(const CellKey& key, const Cell& cell) { cells_[key] = cell; }
  [[nodiscard]] size_t bytes() const {
    return cells_.capacity() * (sizeof(decltype(cells_)::value_type) + 1);
  }

 private:
  absl::flat_hash_map<CellKey, Cell> cells_;
};

std::vector<CellKey> random_keys(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<CellKey> keys(static_cast<size_t>(count));
  for (CellKey& key : keys) key = {.low = random(), .high = random()};
  return keys;
}

Cell cell_of(const CellKey& key) {
  return {.time_ms = 1'704'110'400'000 + static_cast<int64_t>(key.low % 1'000'000),
          .client = key.high % 3,
          .value_hash = key.low >> (64 - kValueHashBits)};
}

template <class Table>
Table filled(const std::vector<CellKey>& keys) {
  Table table;
  for (const CellKey& key : keys) table.set(key, cell_of(key));
  return table;
}

template <class Table>
void insert(benchmark::State& state) {
  const std::vector<CellKey> keys = random_keys(state.range(0), 1);
  for (auto _ : state) benchmark::DoNotOptimize(filled<Table>(keys));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class Table>
void find_all(benchmark::State& state, const Table& table, const std::vector<CellKey>& keys) {
  for (auto _ : state) {
    for (const CellKey& key : keys) benchmark::DoNotOptimize(table.find(key));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class Table>
void find_hit(benchmark::State& state) {
  std::vector<CellKey> keys = random_keys(state.range(0), 1);
  const auto table = filled<Table>(keys);
  std::ranges::shuffle(keys, std::mt19937_64(2));
  find_all(state, table, keys);
}

template <class Table>
void find_miss(benchmark::State& state) {
  const auto table = filled<Table>(random_keys(state.range(0), 1));
  find_all(state, table, random_keys(state.range(0), 3));
}

template <class Table>
void memory(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const std::vector<CellKey> keys = random_keys(2 * state.range(0), 1);
  double exact = 0;
  double worst = 0;
  for (auto _ : state) {
    Table table;
    for (size_t cells = 1; cells <= keys.size(); ++cells) {
      table.set(keys[cells - 1], cell_of(keys[cells - 1]));
      const double bytes = static_cast<double>(table.bytes()) / static_cast<double>(cells);
      if (cells == size) exact = bytes;
      if (cells >= size) worst = std::max(worst, bytes);
    }
  }
  state.counters["bytes_per_cell"] = exact;
  state.counters["worst"] = worst;
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
}
BENCHMARK(find_hit<CellTable>)->Apply(sizes);
BENCHMARK(find_hit<AbslMap>)->Apply(sizes);
BENCHMARK(find_miss<CellTable>)->Apply(sizes);
BENCHMARK(find_miss<AbslMap>)->Apply(sizes);
BENCHMARK(insert<CellTable>)->Apply(sizes);
BENCHMARK(insert<AbslMap>)->Apply(sizes);
BENCHMARK(memory<CellTable>)->RangeMultiplier(10)->Range(1, 1'000'000)->Iterations(1);
BENCHMARK(memory<AbslMap>)->RangeMultiplier(10)->Range(1, 1'000'000)->Iterations(1);

// What a cell is looked for by.
void name_cell(benchmark::State& state) {
  const std::string record(static_cast<size_t>(state.range(0)), 'r');
  for (auto _ : state) benchmark::DoNotOptimize(cell_key("todos", record, "completed"));
}
BENCHMARK(name_cell)->Arg(8)->Arg(36)->Arg(300);

}  // namespace
}  // namespace mana_sync::sync

BENCHMARK_MAIN();
