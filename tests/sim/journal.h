// What happened in a run: its trace, and the first thing that went against the protocol.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace mana_sync::sim {

class Journal {
 public:
  // `print`: the trace goes to stdout as well.
  explicit Journal(bool print) : print_(print) {}

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    line_.clear();
    fmt::format_to(std::back_inserter(line_), format, std::forward<Args>(args)...);
    note(line_);
  }

  // The run has failed; the first reason is kept.
  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    std::string reason = fmt::format(format, std::forward<Args>(args)...);
    if (reason.size() > kReasonBytesMax) reason.resize(kReasonBytesMax);
    trace("FAILED: {}", reason);
    if (!failure_) failure_ = reason;
  }

  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }
  // Of the trace: the same for two runs of a seed.
  [[nodiscard]] uint64_t hash() const { return hash_; }

 private:
  static constexpr size_t kReasonBytesMax = 4'000;

  void note(const std::string& line);

  const bool print_;
  std::string line_;
  uint64_t hash_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace mana_sync::sim
