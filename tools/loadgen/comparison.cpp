#include "comparison.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <iterator>
#include <optional>

namespace mana_sync::loadgen {
namespace {

std::optional<double> number_at(const simdjson::dom::element& object, std::string_view key) {
  double value = 0;
  if (object[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

void append_row(std::string& out, std::string_view name, double earlier, double now) {
  const std::string ratio = earlier == 0 ? "-" : fmt::format("{:.2f}", now / earlier);
  fmt::format_to(std::back_inserter(out), "  {:<34}{:>13.3f}{:>13.3f}{:>9}\n", name, earlier, now,
                 ratio);
}

}  // namespace

Result<std::string> compare(std::string_view earlier_json, const Report& now) {
  simdjson::dom::parser parser;
  simdjson::dom::element earlier;
  std::string_view scenario;
  if (parser.parse(earlier_json).get(earlier) != simdjson::SUCCESS ||
      earlier["scenario"].get(scenario) != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalid, "the earlier report is none");
  }
  if (scenario != now.scenario()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("the earlier report is of {} and not of {}", scenario, now.scenario()));
  }
  std::string out =
      fmt::format("  {:<34}{:>13}{:>13}{:>9}\n", "compared", "earlier", "now", "ratio");
  simdjson::dom::element figures;
  if (earlier["figures"].get(figures) == simdjson::SUCCESS) {
    for (const Report::Figure& figure : now.figures()) {
      const auto before = number_at(figures, figure.name);
      if (before) append_row(out, figure.name, *before, figure.value);
    }
  }
  for (const Report::Latency& latency : now.latencies()) {
    simdjson::dom::element before;
    if (earlier["latencies_ms"][latency.name].get(before) != simdjson::SUCCESS) continue;
    for (const Percentile& percentile : kPercentiles) {
      const auto earlier_ms = number_at(before, percentile.name);
      const auto now_ns = latency.histogram.percentile_ns(percentile.percent);
      if (!earlier_ms) continue;
      append_row(out, fmt::format("{} {}, ms", latency.name, percentile.name), *earlier_ms,
                 to_ms(static_cast<double>(now_ns)));
    }
  }
  return out;
}

}  // namespace mana_sync::loadgen
