// mana-sync-loadgen: drives a server over the public protocol, and checks what it answers.
#include <fmt/format.h>
#include <simdjson.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "command_line.h"
#include "comparison.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/signals.h"
#include "plot.h"

namespace mana_sync::loadgen {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return fail(ErrorCode::kIo, fmt::format("{} cannot be read", path));
  return text;
}

Result<void> write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return fail(ErrorCode::kIo, fmt::format("{} cannot be written", path));
  return {};
}

Result<void> publish(const Report& report, const CommonOptions& options,
                     const std::string& earlier_json) {
  fmt::print("{}", report.table());
  if (!options.compare_path.empty()) {
    const auto compared = compare(earlier_json, report);
    if (!compared) return std::unexpected(compared.error());
    fmt::print("{}", *compared);
  }
  if (!options.json_path.empty()) {
    if (auto written = write_file(options.json_path, report.json()); !written) return written;
  }
  if (options.plot_path.empty()) return {};
  return write_file(options.plot_path, plot(report));
}

// False: the run has failed.
Result<bool> run(CommandLine& line) {
  const SystemClock clock;
  Logger log(LogLevel::kWarn, clock);
  Metrics metrics;
  auto endpoint = Endpoint::parse(line.common.url);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto tokens = line.needs_tokens ? read_tokens(line.common.tokens_path, line.common.users)
                                  : std::vector<std::string>();
  if (!tokens) return std::unexpected(tokens.error());
  // Read before this run's report may take its place.
  const auto earlier =
      line.common.compare_path.empty() ? std::string() : read_file(line.common.compare_path);
  if (!earlier) return std::unexpected(earlier.error());
  raise_descriptor_limit();
  auto loop = net::Loop::create(clock, log, metrics);
  if (!loop) return std::unexpected(loop.error());
  if (line.common.app.empty()) line.common.app = fmt::format("loadgen-{:x}", clock.wall_us());

  Report report(line.scenario);
  Network network(std::move(*loop), std::move(*endpoint));
  simdjson::dom::parser json;
  RunContext means{network, report, line.common, std::move(*tokens), json};
  auto signals = net::Signals::watch(network.loop(), {SIGINT, SIGTERM}, [&](int) {
    report.add_failure("interrupted");
    network.loop().stop();
  });
  if (!signals) return std::unexpected(signals.error());
  const auto scenario = line.make(means);
  scenario->start();
  network.loop().run();
  scenario->write_report();
  if (auto published = publish(report, line.common, *earlier); !published) {
    return std::unexpected(published.error());
  }
  return !report.has_failed();
}

}  // namespace
}  // namespace mana_sync::loadgen

int main(int argc, char** argv) {
  using namespace mana_sync::loadgen;
  CommandLine line;
  if (const auto status = parse_command_line(argc, argv, line)) return *status;
  const auto is_clean = run(line);
  if (!is_clean) fmt::print(stderr, "mana-sync-loadgen: {}\n", is_clean.error().message);
  return is_clean && *is_clean ? 0 : 1;
}
