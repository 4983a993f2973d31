#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "report.h"

namespace mana_sync::loadgen {

Progress::~Progress() {
  loop_.cancel(timer_);
}

void Progress::start() {
  begun_ns_ = loop_.clock().steady_ns();
  is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  wait();
}

void Progress::stop() {
  loop_.cancel(timer_);
  if (is_terminal_) fmt::print(stderr, "\n");
}

void Progress::add(int64_t latency_ns, bool is_ok) {
  if (is_ok) {
    second_.record(latency_ns);
  } else {
    ++errors_;
  }
}

void Progress::wait() {
  timer_ = loop_.after(std::chrono::seconds(1), [this] {
    tell();
    wait();
  });
}

void Progress::tell() {
  const double passed_s = static_cast<double>(loop_.clock().steady_ns() - begun_ns_) / 1e9;
  const auto ms = [this](double percent) {
    return to_ms(static_cast<double>(second_.percentile_ns(percent)));
  };
  // On a terminal each line takes the place of the one before.
  fmt::print(stderr, "{}{:4.0f} s {:8} answers/s  p50 {:.3f} ms  p99 {:.3f} ms  {} errors{}",
             is_terminal_ ? "\r\x1b[K" : "", passed_s, second_.count(), ms(50), ms(99), errors_,
             is_terminal_ ? "" : "\n");
  std::fflush(stderr);
  second_ = {};
}

}  // namespace mana_sync::loadgen
