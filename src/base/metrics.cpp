#include "mana_sync/base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "mana_sync/base/check.h"

namespace mana_sync {
namespace {

constexpr const char* kTypes[] = {"counter", "gauge", "histogram"};  // by the value's index

// `value` in Prometheus's base units.
std::string text_of(int64_t value, Measure measure) {
  switch (measure) {
    case Measure::kOnes:
      return fmt::format("{}", value);
    case Measure::kMicroseconds:
      return fmt::format("{}", static_cast<double>(value) / 1e6);
    case Measure::kNanoseconds:
      return fmt::format("{}", static_cast<double>(value) / 1e9);
  }
  return {};
}

void append_sample(std::string& out, std::string_view name, std::string_view labels,
                   std::string_view value) {
  out += name;
  if (!labels.empty()) fmt::format_to(std::back_inserter(out), "{{{}}}", labels);
  fmt::format_to(std::back_inserter(out), " {}\n", value);
}

void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      Measure measure, const Histogram& histogram) {
  const std::string bucket_name = fmt::format("{}_bucket", name);
  const std::string separator = labels.empty() ? "" : ",";
  const size_t size = histogram.bounds().size();
  int64_t count = 0;
  for (size_t i = 0; i <= size; ++i) {
    count += histogram.count(i);
    const std::string bound = i < size ? text_of(histogram.bounds()[i], measure) : "+Inf";
    append_sample(out, bucket_name, fmt::format("{}{}le=\"{}\"", labels, separator, bound),
                  fmt::format("{}", count));
  }
  append_sample(out, fmt::format("{}_sum", name), labels, text_of(histogram.sum(), measure));
  append_sample(out, fmt::format("{}_count", name), labels, fmt::format("{}", count));
}

}  // namespace

Histogram::Histogram(std::span<const int64_t> bounds) : size_(bounds.size()) {
  MANA_CHECK(size_ <= kBoundsMax && std::ranges::is_sorted(bounds));
  bounds_.fill(std::numeric_limits<int64_t>::max());
  std::ranges::copy(bounds, bounds_.begin());
}

Counter& Metrics::counter(std::string name, std::string help, std::string labels, Measure measure) {
  entries_.push_back({std::move(name), std::move(help), std::move(labels), measure, Counter()});
  return std::get<Counter>(entries_.back().value);
}

Gauge& Metrics::gauge(std::string name, std::string help, std::string labels, Measure measure) {
  entries_.push_back({std::move(name), std::move(help), std::move(labels), measure, Gauge()});
  return std::get<Gauge>(entries_.back().value);
}

Histogram& Metrics::histogram(std::string name, std::string help, std::span<const int64_t> bounds,
                              std::string labels, Measure measure) {
  entries_.push_back(
      {std::move(name), std::move(help), std::move(labels), measure, Histogram(bounds)});
  return std::get<Histogram>(entries_.back().value);
}

std::string Metrics::render() const {
  std::string out;
  std::string_view previous;
  for (const Entry& entry : entries_) {
    if (entry.name != previous) {
      fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", entry.name,
                     entry.help, entry.name, kTypes[entry.value.index()]);
      previous = entry.name;
    }
    if (const auto* histogram = std::get_if<Histogram>(&entry.value)) {
      append_histogram(out, entry.name, entry.labels, entry.measure, *histogram);
      continue;
    }
    const auto* counter = std::get_if<Counter>(&entry.value);
    const int64_t value =
        counter != nullptr ? counter->value() : std::get<Gauge>(entry.value).value();
    append_sample(out, entry.name, entry.labels, text_of(value, entry.measure));
  }
  return out;
}

}  // namespace mana_sync
