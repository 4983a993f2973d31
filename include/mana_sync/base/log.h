// One JSON object a line: {"time":…,"level":"info","event":"listening","port":3050}. No tokens, no
// user data. Each event name has limits::kLogLinesPerSecondMax lines a second; what was left out is
// counted and reported with the next line of that event.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <variant>

#include "mana_sync/base/clock.h"

namespace mana_sync {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

// "debug", "info", "warn", "error", "off".
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view text);

struct LogField {
  std::string_view key;
  std::variant<std::string_view, int64_t, double, bool> value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  template <class Integer>
  requires std::is_integral_v<Integer> LogField(std::string_view k, Integer v)
      : key(k), value(static_cast<int64_t>(v)) {}
};

// Thread-safe. The sink gets whole lines, newline included, one at a time.
class Logger {
 public:
  using Sink = std::function<void(std::string_view line)>;

  // Writes to stderr unless `sink` is given; leaves out what is below `level`. `clock` must outlive
  // the logger.
  Logger(LogLevel level, const Clock& clock, Sink sink = {});
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // `event`: a name in snake_case, one of a few: it is remembered.
  void debug(std::string_view event, std::initializer_list<LogField> fields = {});
  void info(std::string_view event, std::initializer_list<LogField> fields = {});
  void warn(std::string_view event, std::initializer_list<LogField> fields = {});
  void error(std::string_view event, std::initializer_list<LogField> fields = {});

 private:
  struct Window {
    int64_t second = 0;
    int lines = 0;
    int64_t suppressed = 0;
  };
  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

  const LogLevel level_;
  const Clock& clock_;
  const Sink sink_;
  std::mutex mutex_;
  std::unordered_map<std::string, Window> windows_;
};

}  // namespace mana_sync
