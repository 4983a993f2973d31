// mana-sync-store-ceiling: what PostgreSQL stores a second where nothing stands before it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/store/store.h"
#include "store_ceiling.h"

namespace mana_sync::ceiling {
namespace {

struct CommandLine {
  CeilingOptions options;
  std::string json_path;
};

// The exit status, if the program is to end here.
std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line) {
  CLI::App app("Stores rows as mana-sync would, straight into PostgreSQL, and tells how fast.");
  CeilingOptions& options = line.options;
  app.add_option("--database", options.database_url, "URL; rows are added to sync_changes")
      ->required();
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--connections", options.connections)
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--in-flight", options.in_flight, "Batches under way on each connection")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--rows", options.rows, "Of a batch")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--users", options.users)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--changes", options.shape.changes, "Rows of one stream, one after another")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--fields", options.shape.fields, "Of each row, beside a number and two times")
      ->check(CLI::Range(0, 1'000))
      ->capture_default_str();
  app.add_option("--field-bytes", options.shape.field_bytes, "Of each field's value")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--json", line.json_path, "Write the report there, too");
  CLI11_PARSE(app, argc, argv);
  if (const auto error = store::database_url_error(options.database_url)) {
    fmt::print(stderr, "mana-sync-store-ceiling: the database's URL: {}\n", *error);
    return 1;
  }
  return std::nullopt;
}

Result<loadgen::Report> run(const CeilingOptions& options) {
  const SystemClock clock;
  Logger log(LogLevel::kError, clock);
  Metrics metrics;
  auto loop = net::Loop::create(clock, log, metrics);
  if (!loop) return std::unexpected(loop.error());
  StoreCeiling ceiling(**loop, options);
  ceiling.start();
  (*loop)->run();
  loadgen::Report report("store ceiling");
  ceiling.write_report(report);
  return report;
}

}  // namespace
}  // namespace mana_sync::ceiling

int main(int argc, char** argv) {
  using namespace mana_sync::ceiling;
  CommandLine line;
  if (const auto status = parse_command_line(argc, argv, line)) return *status;
  const auto report = run(line.options);
  if (!report) {
    fmt::print(stderr, "mana-sync-store-ceiling: {}\n", report.error().message);
    return 1;
  }
  fmt::print("{}", report->table());
  if (!line.json_path.empty()) {
    std::ofstream file(line.json_path, std::ios::binary);
    file << report->json();
    file.close();
    if (!file) {
      fmt::print(stderr, "mana-sync-store-ceiling: {} cannot be written\n", line.json_path);
      return 1;
    }
  }
  return report->has_failed() ? 1 : 0;
}
