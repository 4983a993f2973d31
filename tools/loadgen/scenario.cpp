#include "scenario.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

namespace mana_sync::loadgen {
namespace {

std::chrono::milliseconds as_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

}  // namespace

Result<std::vector<std::string>> read_tokens(const std::string& path, size_t count) {
  if (path.empty()) return fail(ErrorCode::kInvalid, "this scenario needs --tokens");
  std::ifstream file(path);
  if (!file) return fail(ErrorCode::kIo, fmt::format("{} cannot be read", path));
  std::vector<std::string> tokens;
  for (std::string line; std::getline(file, line) && (count == 0 || tokens.size() < count);) {
    if (!line.empty()) tokens.push_back(line);
  }
  if (tokens.empty() || tokens.size() < count) {
    return fail(ErrorCode::kInvalid, fmt::format("{} holds only {} tokens", path, tokens.size()));
  }
  return tokens;
}

ProcessStats server_stats(const RunContext& run) {
  if (run.options.server_pid == 0) return {};
  auto stats = ProcessStats::of(run.options.server_pid);
  if (stats) return *stats;
  run.report.add_failure(stats.error().message);
  return {};
}

Scenario::~Scenario() {
  loop().cancel(phase_timer_);
}

void Scenario::begin_phase(std::string_view what, double seconds) {
  loop().cancel(phase_timer_);
  const double allowed_s = seconds + static_cast<double>(run_.options.phase_timeout_s);
  phase_timer_ = loop().after(as_ms(allowed_s), [this, allowed_s, what = std::string(what)] {
    run_.report.add_failure(fmt::format("{} took longer than {} s", what, allowed_s));
    finish();
  });
}

void Scenario::after(double seconds, net::Loop::Callback next) {
  loop().after(as_ms(seconds), [alive = std::weak_ptr(alive_), next = std::move(next)]() mutable {
    if (!alive.expired()) next();
  });
}

}  // namespace mana_sync::loadgen
