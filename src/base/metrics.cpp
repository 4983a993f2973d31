#include "mana_sync/base/metrics.h"

#include <fmt/format.h>

#include <iterator>

namespace mana_sync {

Counter& Metrics::counter(std::string name, std::string help, std::string labels) {
  entries_.push_back({std::move(name), std::move(help), std::move(labels), true, {}, {}});
  return entries_.back().counter;
}

Gauge& Metrics::gauge(std::string name, std::string help, std::string labels) {
  entries_.push_back({std::move(name), std::move(help), std::move(labels), false, {}, {}});
  return entries_.back().gauge;
}

std::string Metrics::render() const {
  std::string out;
  std::string_view previous;
  for (const Entry& entry : entries_) {
    if (entry.name != previous) {
      fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", entry.name,
                     entry.help, entry.name, entry.is_counter ? "counter" : "gauge");
      previous = entry.name;
    }
    out += entry.name;
    if (!entry.labels.empty()) fmt::format_to(std::back_inserter(out), "{{{}}}", entry.labels);
    fmt::format_to(std::back_inserter(out), " {}\n",
                   entry.is_counter ? entry.counter.value() : entry.gauge.value());
  }
  return out;
}

}  // namespace mana_sync
