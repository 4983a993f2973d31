#include "schedule.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmath>
#include <utility>

#include "mana_sync/base/check.h"

namespace mana_sync::loadgen {
namespace {

constexpr int64_t kNsPerS = 1'000'000'000;

}  // namespace

Schedule::Schedule(net::Loop& loop, std::function<void()> on_due)
    : loop_(loop),
      on_due_(std::move(on_due)),
      timer_fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)),
      watch_(loop, [this](short) { run_due(); }) {
  MANA_CHECK(timer_fd_ >= 0);  // made before the descriptors can run out
}

Schedule::~Schedule() {
  stop();
  ::close(timer_fd_);
}

void Schedule::start(double per_s, double seconds, std::function<void()> on_end) {
  per_s_ = per_s;
  on_end_ = std::move(on_end);
  called_ = 0;
  called_max_ = static_cast<uint64_t>(std::ceil(per_s * seconds));
  begun_ns_ = loop_.clock().steady_ns();
  end_ns_ = begun_ns_ + static_cast<int64_t>(seconds * static_cast<double>(kNsPerS));
  wait_until(begun_ns_);
}

void Schedule::stop() {
  watch_.disarm();
}

void Schedule::run_due() {
  const int64_t now_ns = loop_.clock().steady_ns();
  const auto next_ns = [this] {
    if (called_ == called_max_) return end_ns_;
    const double passed_s = static_cast<double>(called_) / per_s_;
    return begun_ns_ + static_cast<int64_t>(passed_s * static_cast<double>(kNsPerS));
  };
  while (called_ < called_max_ && next_ns() <= now_ns) {
    due_ns_ = next_ns();
    ++called_;
    on_due_();
  }
  if (called_ == called_max_ && now_ns >= end_ns_) return on_end_();
  wait_until(next_ns());
}

void Schedule::wait_until(int64_t due_ns) {
  itimerspec when{};
  when.it_value = {.tv_sec = due_ns / kNsPerS, .tv_nsec = due_ns % kNsPerS};
  // A new time forgets what the last one has to tell: nothing needs to be read.
  ::timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr);
  watch_.arm(timer_fd_, POLLIN);
}

}  // namespace mana_sync::loadgen
