#include "mana_sync/net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "operations.h"
#include "ring.h"
#include "timers.h"

namespace mana_sync::net {
namespace {

// How long run_until(), and any loop whose clock is not the system's, may wait in the kernel: the
// condition or the clock may change without an event.
constexpr int64_t kPollingWaitNs = 1'000'000;

// Ends the loop's wait when another thread posts.
class Wakeup final : public OpTarget {
 public:
  Wakeup(Ring& ring, int fd) : ring_(ring), fd_(fd) {}
  ~Wakeup() override { ::close(fd_); }
  void submit() { ring_.submit_wake(id(), fd_, &value_); }
  void on_completion(const Completion&) override { submit(); }
  void on_visit(Visit) override {}
  // Any thread.
  void signal() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof(one));
  }

 private:
  Ring& ring_;
  const int fd_;
  uint64_t value_ = 0;
};

}  // namespace

struct Loop::Impl {
  Impl(const Clock& clock_in, std::unique_ptr<Ring> ring, Metrics& metrics, size_t output_bytes_max)
      : clock(clock_in),
        is_real_time(dynamic_cast<const SystemClock*>(&clock_in) != nullptr),
        operations(std::move(ring), metrics, output_bytes_max),
        now_ns(clock_in.steady_ns()),
        tick_end_ns(now_ns) {}

  void run_posted();
  void run_phase(TickPhase phase);
  void end_tick();
  [[nodiscard]] std::optional<int64_t> wait_ns() const;

  const Clock& clock;
  const bool is_real_time;
  const std::thread::id thread = std::this_thread::get_id();
  Operations operations;
  Timers timers;
  // Deques: a function stays where it is when it adds another.
  std::array<std::deque<std::function<void()>>, kTickPhaseCount> tick_end;
  int64_t now_ns;       // when this tick began
  int64_t tick_end_ns;  // when the last one ended
  Wakeup* wakeup = nullptr;

  std::mutex posted_mutex;
  std::vector<Callback> posted;          // guarded by posted_mutex
  std::atomic<bool> has_posted = false;  // `posted` is not empty; written under posted_mutex
  std::vector<Callback> posted_earlier;  // taken at the start of this tick
};

Result<std::unique_ptr<Loop>> Loop::create(const Clock& clock, Logger& log, Metrics& metrics,
                                           size_t output_bytes_max) {
  auto ring = Ring::create(limits::kRingEntries);
  if (!ring) return std::unexpected(std::move(ring.error()));
  (*ring)->log_features(log);
  // Blocking on purpose: a read on the ring waits then, instead of failing with EAGAIN.
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC);
  if (wake_fd < 0) {
    return fail(ErrorCode::kIo, "eventfd: " + std::generic_category().message(errno));
  }
  auto impl = std::make_unique<Impl>(clock, std::move(*ring), metrics, output_bytes_max);
  impl->wakeup = impl->operations.add(std::make_unique<Wakeup>(impl->operations.ring(), wake_fd));
  impl->wakeup->submit();
  return std::unique_ptr<Loop>(new Loop(clock, log, metrics, std::move(impl)));
}

Loop::Loop(const Clock& clock, Logger& log, Metrics& metrics, std::unique_ptr<Impl> impl)
    : clock_(clock), log_(log), metrics_(metrics), impl_(std::move(impl)) {}

Loop::~Loop() = default;

Operations& Loop::operations() {
  return impl_->operations;
}

int64_t Loop::now_ns() const {
  return impl_->now_ns;
}

void Loop::run() {
  while (!stopping_) {
    run_tick();
    impl_->operations.ring().submit_and_wait(stopping_ ? 0 : impl_->wait_ns());
  }
  stopping_ = false;
}

void Loop::run_until(const std::function<bool()>& done) {
  for (;;) {
    run_tick();
    const bool is_done = done();
    const int64_t wait_ns = std::min(impl_->wait_ns().value_or(kPollingWaitNs), kPollingWaitNs);
    impl_->operations.ring().submit_and_wait(is_done ? 0 : wait_ns);
    if (is_done) return;
  }
}

void Loop::run_tick() {
  Operations& operations = impl_->operations;
  impl_->now_ns = clock_.steady_ns();
  operations.reap();
  if (impl_->has_posted.load(std::memory_order_acquire)) {
    const std::lock_guard lock(impl_->posted_mutex);
    impl_->posted_earlier.swap(impl_->posted);
    impl_->has_posted.store(false, std::memory_order_relaxed);
  }
  operations.run(Visit::kDeferred);
  operations.dispatch();
  impl_->timers.run_due(impl_->now_ns);
  impl_->run_posted();
  impl_->run_phase(TickPhase::kHubDrain);
  impl_->run_phase(TickPhase::kMerge);
  impl_->run_phase(TickPhase::kGroupCommit);
  impl_->run_phase(TickPhase::kSocketFlush);
  operations.run(Visit::kFlush);
  operations.shed_output();
  impl_->run_phase(TickPhase::kReceiveRearm);
  operations.run(Visit::kRearm);
  operations.run(Visit::kReclaim);
  impl_->run_phase(TickPhase::kReclaim);
  impl_->end_tick();
}

void Loop::Impl::run_posted() {
  for (Callback& fn : posted_earlier) fn();
  posted_earlier.clear();
}

void Loop::Impl::run_phase(TickPhase phase) {
  const auto& functions = tick_end[static_cast<size_t>(phase)];
  for (size_t i = 0; i < functions.size(); ++i) functions[i]();
}

// The one read of the clock here also tells wait_ns() what time it is.
void Loop::Impl::end_tick() {
  tick_end_ns = clock.steady_ns();
  operations.tick_duration.observe(tick_end_ns - now_ns);
}

std::optional<int64_t> Loop::Impl::wait_ns() const {
  if (operations.has_requests() || has_posted.load(std::memory_order_acquire)) return 0;
  std::optional<int64_t> wait;
  if (const auto due_ns = timers.next_due_ns()) {
    wait = std::max<int64_t>(0, *due_ns - tick_end_ns);
  }
  if (is_real_time) return wait;
  return std::min(wait.value_or(kPollingWaitNs), kPollingWaitNs);
}

TimerId Loop::after(std::chrono::milliseconds delay, Callback fn) {
  constexpr int64_t kDelayMsMax = std::numeric_limits<int64_t>::max() / 4'000'000;
  const int64_t delay_ms = std::clamp<int64_t>(delay.count(), 0, kDelayMsMax);
  return impl_->timers.add(clock_.steady_ns() + delay_ms * 1'000'000, std::move(fn));
}

void Loop::cancel(TimerId id) {
  impl_->timers.cancel(id);
}

void Loop::at_tick_end(TickPhase phase, std::function<void()> fn) {
  impl_->tick_end[static_cast<size_t>(phase)].push_back(std::move(fn));
}

void Loop::post(Callback fn) {
  bool was_empty;
  {
    const std::lock_guard lock(impl_->posted_mutex);
    was_empty = impl_->posted.empty();
    impl_->posted.push_back(std::move(fn));
    impl_->has_posted.store(true, std::memory_order_release);
  }
  // The loop's own thread looks at has_posted before it waits.
  if (was_empty && std::this_thread::get_id() != impl_->thread) impl_->wakeup->signal();
}

}  // namespace mana_sync::net
