#include "report.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "mana_sync/base/json_text.h"

namespace mana_sync::loadgen {
namespace {

constexpr int kNameWidth = 34;
constexpr int kValueWidth = 11;

// Whole numbers as they are, others to three digits behind the point.
std::string number(double value) {
  return value == std::floor(value) ? fmt::format("{:.0f}", value) : fmt::format("{:.3f}", value);
}

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// Appends `"name":value`, with a comma before it where it is not the first.
void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (!out.ends_with('{')) out += ',';
  out += quoted(name) + ':';
  out += value;
}

void append_element(std::string& out, std::string_view value) {
  if (!out.ends_with('[')) out += ',';
  out += value;
}

double percentile_ms(const Histogram& histogram, double percent) {
  return to_ms(static_cast<double>(histogram.percentile_ns(percent)));
}

std::string json_of(const Histogram& histogram) {
  std::string out = "{";
  append_member(out, "count", std::to_string(histogram.count()));
  append_member(out, "mean", number(to_ms(histogram.mean_ns())));
  for (const Percentile& percentile : kPercentiles) {
    append_member(out, percentile.name, number(percentile_ms(histogram, percentile.percent)));
  }
  return out + "}";
}

}  // namespace

void Report::add_figure(std::string name, double value, std::string unit) {
  figures_.push_back({std::move(name), value, std::move(unit)});
}

void Report::add_latency(std::string name, const Histogram& histogram) {
  latencies_.push_back({std::move(name), histogram});
}

void Report::add_error(std::string_view what, uint64_t count) {
  if (count == 0) return;
  const auto found = errors_.find(what);
  if (found != errors_.end()) {
    found->second += count;
  } else {
    errors_[errors_.size() < kErrorsMax ? std::string(what) : "others"] += count;
  }
}

std::string Report::table() const {
  std::string out = scenario_ + "\n";
  const auto append = std::back_inserter(out);
  for (const Figure& figure : figures_) {
    fmt::format_to(append, "  {:<{}}{:>{}} {}\n", figure.name, kNameWidth, number(figure.value),
                   kValueWidth, figure.unit);
  }
  if (!latencies_.empty()) {
    fmt::format_to(append, "  {:<{}}{:>{}}", "latency, ms", kNameWidth, "count", kValueWidth);
    for (const Percentile& percentile : kPercentiles) {
      fmt::format_to(append, "{:>{}}", percentile.name, kValueWidth);
    }
    out += '\n';
  }
  for (const Latency& latency : latencies_) {
    fmt::format_to(append, "  {:<{}}{:>{}}", latency.name, kNameWidth, latency.histogram.count(),
                   kValueWidth);
    for (const Percentile& percentile : kPercentiles) {
      fmt::format_to(append, "{:>{}.3f}", percentile_ms(latency.histogram, percentile.percent),
                     kValueWidth);
    }
    out += '\n';
  }
  for (const auto& [what, count] : errors_) {
    fmt::format_to(append, "  error: {:<{}}{:>{}}\n", what, kNameWidth - 7, count, kValueWidth);
  }
  for (const std::string& failure : failures_) fmt::format_to(append, "  FAILED: {}\n", failure);
  return out;
}

std::string Report::json() const {
  std::string figures = "{";
  for (const Figure& figure : figures_) append_member(figures, figure.name, number(figure.value));
  std::string latencies = "{";
  for (const Latency& latency : latencies_) {
    append_member(latencies, latency.name, json_of(latency.histogram));
  }
  std::string seconds = "[";
  for (const double answers : per_second_) append_element(seconds, number(answers));
  std::string errors = "{";
  for (const auto& [what, count] : errors_) append_member(errors, what, std::to_string(count));
  std::string failures = "[";
  for (const std::string& failure : failures_) append_element(failures, quoted(failure));

  std::string out = "{";
  append_member(out, "scenario", quoted(scenario_));
  append_member(out, "figures", figures + "}");
  append_member(out, "latencies_ms", latencies + "}");
  append_member(out, "per_second", seconds + "]");
  append_member(out, "errors", errors + "}");
  append_member(out, "failures", failures + "]");
  return out + "}\n";
}

}  // namespace mana_sync::loadgen
