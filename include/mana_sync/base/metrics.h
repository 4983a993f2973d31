// Counters and gauges, and their Prometheus text (PROTOCOL 8.2). A registry belongs to one worker:
// counting is a plain add on that worker's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

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

class Metrics {
 public:
  // Registers a metric; the reference is valid as long as the registry. `name` follows
  // Prometheus's rules, a counter's ends in `_total`; `labels` is empty or `key="value",…`.
  // Metrics of one name are registered one after the other.
  Counter& counter(std::string name, std::string help, std::string labels = "");
  Gauge& gauge(std::string name, std::string help, std::string labels = "");

  // Prometheus text format 0.0.4, each name with one HELP and one TYPE line.
  [[nodiscard]] std::string render() const;

 private:
  struct Entry {
    std::string name;
    std::string help;
    std::string labels;
    bool is_counter;
    Counter counter;
    Gauge gauge;
  };
  std::deque<Entry> entries_;
};

}  // namespace mana_sync
