// Counters, gauges and histograms, and their Prometheus text (PROTOCOL 8.2). A registry belongs to
// one worker: counting is a plain add on that worker's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace mana_sync {

// Grows only. One thread.
class Counter {
 public:
  void add(int64_t n = 1) { value_ += n; }
  [[nodiscard]] int64_t value() const { return value_; }

 private:
  int64_t value_ = 0;
};

// Goes up and down. One thread.
class Gauge {
 public:
  void set(int64_t value) { value_ = value; }
  void add(int64_t n) { value_ += n; }
  [[nodiscard]] int64_t value() const { return value_; }

 private:
  int64_t value_ = 0;
};

// How many values fell between fixed bounds, and their sum. One thread; observe() allocates
// nothing.
class Histogram {
 public:
  static constexpr size_t kBoundsMax = 20;

  // `bounds` rise, kBoundsMax of them at most; a value counts in the bucket of the first bound that
  // is not smaller.
  explicit Histogram(std::span<const int64_t> bounds);

  void observe(int64_t value) {
    // All bounds are compared, always: that takes vector instructions and no branch.
    size_t bucket = 0;
    for (const int64_t bound : bounds_) bucket += value > bound ? 1 : 0;
    ++counts_[bucket];
    sum_ += value;
  }

  [[nodiscard]] std::span<const int64_t> bounds() const { return {bounds_.data(), size_}; }
  // Values above the bound before and up to bounds()[bucket]; those above the last bound come last.
  [[nodiscard]] int64_t count(size_t bucket) const { return counts_[bucket]; }
  [[nodiscard]] int64_t sum() const { return sum_; }

 private:
  std::array<int64_t, kBoundsMax> bounds_;  // from size_ on: no value is above
  std::array<int64_t, kBoundsMax + 1> counts_{};
  size_t size_;
  int64_t sum_ = 0;
};

// What a metric's numbers count. Prometheus gets seconds.
enum class Measure { kOnes, kMicroseconds, kNanoseconds };

class Metrics {
 public:
  // Registers a metric; the reference is valid as long as the registry. `name` follows
  // Prometheus's rules, a counter's ends in `_total`; `labels` is empty or `key="value",…`.
  // Metrics of one name are registered one after the other.
  Counter& counter(std::string name, std::string help, std::string labels = "",
                   Measure measure = Measure::kOnes);
  Gauge& gauge(std::string name, std::string help, std::string labels = "",
               Measure measure = Measure::kOnes);
  // `bounds` are in `measure`.
  Histogram& histogram(std::string name, std::string help, std::span<const int64_t> bounds,
                       std::string labels = "", Measure measure = Measure::kOnes);

  // Prometheus text format 0.0.4, each name with one HELP and one TYPE line.
  [[nodiscard]] std::string render() const;

 private:
  using Value = std::variant<Counter, Gauge, Histogram>;
  struct Entry {
    std::string name;
    std::string help;
    std::string labels;
    Measure measure;
    Value value;
  };
  std::deque<Entry> entries_;
};

}  // namespace mana_sync
