// What a run found: figures, latencies, errors, and whether it failed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"

namespace mana_sync::loadgen {

class Report {
 public:
  // Kinds of errors that are told apart; any more count as one.
  static constexpr size_t kErrorsMax = 50;

  explicit Report(std::string scenario) : scenario_(std::move(scenario)) {}

  struct Figure {
    std::string name;
    double value;
    std::string unit;
  };
  struct Latency {
    std::string name;
    Histogram histogram;
  };

  // In the order in which they are to be read. `unit` may be empty.
  void add_figure(std::string name, double value, std::string unit = {});
  void add_latency(std::string name, const Histogram& histogram);
  // `count` times that `what` (a status, a reason) went wrong; none if 0.
  void add_error(std::string_view what, uint64_t count = 1);
  // What was answered in each second.
  void set_per_second(std::vector<double> answers) { per_second_ = std::move(answers); }
  // What must not be: the run has failed.
  void add_failure(std::string what) { failures_.push_back(std::move(what)); }

  [[nodiscard]] const std::string& scenario() const { return scenario_; }
  [[nodiscard]] const std::vector<Figure>& figures() const { return figures_; }
  [[nodiscard]] const std::vector<Latency>& latencies() const { return latencies_; }
  [[nodiscard]] const std::vector<double>& per_second() const { return per_second_; }
  [[nodiscard]] bool has_failed() const { return !failures_.empty(); }

  // For people, each line ended.
  [[nodiscard]] std::string table() const;
  // One object: `scenario`, `figures` {name: value}, `latencies_ms` {name: {count, mean, p50, …}},
  // `per_second` [answers], `errors` {what: count}, `failures` [text].
  [[nodiscard]] std::string json() const;

 private:
  const std::string scenario_;
  std::vector<Figure> figures_;
  std::vector<Latency> latencies_;
  std::vector<double> per_second_;
  std::map<std::string, uint64_t, std::less<>> errors_;
  std::vector<std::string> failures_;
};

// The percentiles that are told of each latency, by name.
struct Percentile {
  const char* name;
  double percent;
};
inline constexpr Percentile kPercentiles[] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}, {"max", 100},
};

[[nodiscard]] constexpr double to_ms(double ns) {
  return ns / 1e6;
}

}  // namespace mana_sync::loadgen
