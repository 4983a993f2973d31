#include "mana_sync/base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "mana_sync/base/json_text.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync {
namespace {

void write_to_stderr(std::string_view line) {
  // One write per line keeps lines whole; a log that cannot be written must not stop the server.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct AppendValue {
  std::string& out;
  void operator()(std::string_view text) const { append_json_string(out, text); }
  void operator()(int64_t number) const { fmt::format_to(std::back_inserter(out), "{}", number); }
  void operator()(double number) const {
    if (!std::isfinite(number)) {
      out += "null";  // JSON has no NaN and no infinity
      return;
    }
    fmt::format_to(std::back_inserter(out), "{:.3f}", number);
  }
  void operator()(bool flag) const { out += flag ? "true" : "false"; }
};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError, LogLevel::kOff}) {
    if (text == level_name(level)) return level;
  }
  return std::nullopt;
}

Logger::Logger(LogLevel level, const Clock& clock, Sink sink)
    : level_(level), clock_(clock), sink_(sink ? std::move(sink) : Sink(write_to_stderr)) {}

void Logger::debug(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kDebug, event, fields);
}
void Logger::info(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kInfo, event, fields);
}
void Logger::warn(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kWarn, event, fields);
}
void Logger::error(std::string_view event, std::initializer_list<LogField> fields) {
  write(LogLevel::kError, event, fields);
}

void Logger::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < level_) return;
  const std::lock_guard lock(mutex_);
  Window& window = windows_[std::string(event)];
  const int64_t second = clock_.steady_ns() / 1'000'000'000;
  if (window.second != second) {
    window.second = second;
    window.lines = 0;
  }
  if (++window.lines > limits::kLogLinesPerSecondMax) {
    ++window.suppressed;
    return;
  }
  std::string line = "{\"time\":\"";
  append_cursor_us(line, clock_.wall_us());
  fmt::format_to(std::back_inserter(line), "\",\"level\":\"{}\",\"event\":", level_name(level));
  append_json_string(line, event);
  for (const LogField& field : fields) {
    line += ',';
    append_json_string(line, field.key);
    line += ':';
    std::visit(AppendValue{line}, field.value);
  }
  if (window.suppressed > 0) {
    fmt::format_to(std::back_inserter(line), ",\"suppressed\":{}", window.suppressed);
    window.suppressed = 0;
  }
  line += "}\n";
  sink_(line);
}

}  // namespace mana_sync
