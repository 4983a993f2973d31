// Runs the simulator by hand:
//
//   mana-sync-sim --seed 17 --trace          one run, step by step
//   mana-sync-sim --seed 1 --count 2000      many
//   mana-sync-sim --soak                     until it fails or is stopped
//   mana-sync-sim --seed 17 --set crash=0    with a knob turned (--knobs lists them)
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <random>

#include "seed_note.h"
#include "world.h"

namespace {

using mana_sync::sim::RunCounts;
using mana_sync::sim::RunOptions;
using mana_sync::sim::RunResult;

struct Arguments {
  uint64_t seed = std::random_device()();
  uint64_t count = 1;
  bool soak = false;
  bool trace = false;
  bool go_on = false;
  bool knobs = false;
  std::vector<std::string> set;
};

bool read_knob(const std::string& text, RunOptions& options) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return false;
  const std::string name = text.substr(0, equals);
  int64_t value = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data() + equals + 1, end, value).ptr != end) return false;
  for (const auto& knob : mana_sync::sim::named_knobs()) {
    if (knob.name != name) continue;
    options.knobs.push_back({name, value});
    return true;
  }
  return false;
}

void report(const RunResult& result) {
  fmt::print("seed {} FAILED: {}\n  knobs: {}\n", result.seed, *result.failure, result.knobs);
}

int run(const Arguments& arguments, const RunOptions& options) {
  uint64_t failed = 0;
  RunCounts all;
  const auto began = std::chrono::steady_clock::now();
  uint64_t seeds = 0;
  for (; arguments.soak || seeds < arguments.count; ++seeds) {
    mana_sync::sim::note_seed(arguments.seed + seeds);
    const RunResult result = mana_sync::sim::run_world(arguments.seed + seeds, options);
    all += result.counts;
    if (arguments.soak && seeds % 10'000 == 0) fmt::print("seed {}\n", result.seed);
    if (!result.failure) continue;
    report(result);
    ++failed;
    if (!arguments.go_on) break;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print("{} seeds from {} in {:.1f} s, {} failed\n", seeds, arguments.seed, took.count(),
             failed);
  fmt::print("{} edits, {} answers, {} conflicts, {} corrections, {} of them stored\n", all.edits,
             all.answers, all.conflicts, all.corrections, all.restated);
  fmt::print("{} notices to sockets\n", all.notices);
  fmt::print("{} cells compared, {} of them exempt\n", all.compared_cells, all.exempt_cells);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Simulates devices, the engine and its store, from a seed");
  app.add_option("--seed", arguments.seed, "The first seed; at random by default");
  app.add_option("--count", arguments.count, "How many seeds");
  app.add_flag("--soak", arguments.soak, "Go on until a seed fails");
  app.add_flag("--trace", arguments.trace, "Print every step");
  app.add_flag("--go-on", arguments.go_on, "Go on after a failure");
  app.add_flag("--knobs", arguments.knobs, "List the knobs");
  app.add_option("--set", arguments.set, "KNOB=VALUE, whatever the seed says");
  CLI11_PARSE(app, argc, argv);
  if (arguments.knobs) {
    for (const auto& knob : mana_sync::sim::named_knobs()) fmt::print("{}\n", knob.name);
    return 0;
  }
  RunOptions options{.print_trace = arguments.trace, .knobs = {}};
  for (const std::string& text : arguments.set) {
    if (read_knob(text, options)) continue;
    fmt::print(stderr, "--set {}: no such knob, or no number\n", text);
    return 2;
  }
  return run(arguments, options);
}
