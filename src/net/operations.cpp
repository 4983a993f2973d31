#include "operations.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "mana_sync/base/limits.h"

namespace mana_sync::net {
namespace {

constexpr int64_t kAbandonStepNs = 10'000'000;
// From a tick for one small request to one that every client feels.
constexpr std::array<int64_t, 15> kTickBoundsNs = {
    10'000,     25'000,     50'000,      100'000,     250'000,
    500'000,    1'000'000,  2'500'000,   5'000'000,   10'000'000,
    25'000'000, 50'000'000, 100'000'000, 250'000'000, 1'000'000'000};
constexpr OpKind kCancellableKinds[] = {OpKind::kAccept, OpKind::kReceive, OpKind::kSend,
                                        OpKind::kPoll, OpKind::kWake};

}  // namespace

Operations::Operations(std::unique_ptr<Ring> ring, Metrics& metrics, size_t output_bytes_max)
    : output_bytes(
          metrics.gauge("mana_sync_output_bytes", "Bytes that clients have not taken yet.")),
      slow_readers_closed(metrics.counter(
          "mana_sync_slow_readers_closed_total",
          "Connections closed because clients together had not taken too many bytes.")),
      accept_paused(metrics.counter("mana_sync_accept_paused_total",
                                    "Times accepting stopped because descriptors ran out.")),
      receive_starved(metrics.counter("mana_sync_receive_starved_total",
                                      "Receives that found no free buffer and had to wait.")),
      received_bytes(
          metrics.counter("mana_sync_received_bytes_total", "Bytes received from clients.")),
      sent_bytes(metrics.counter("mana_sync_sent_bytes_total", "Bytes sent to clients.")),
      tick_duration(metrics.histogram(
          "mana_sync_loop_tick_seconds",
          "Time that ticks of the event loop worked, without their wait for what comes next.",
          kTickBoundsNs, "", Measure::kNanoseconds)),
      output_bytes_max_(static_cast<int64_t>(output_bytes_max)),
      ring_(std::move(ring)) {}

Operations::~Operations() {
  abandon_all();
}

void Operations::run(Visit visit) {
  std::vector<SlotId>& requested = requests_[static_cast<size_t>(visit)];
  if (requested.empty()) return;
  visiting_.clear();
  visiting_.swap(requested);
  for (const SlotId id : visiting_) {
    OpTarget* const target = targets_.find(id);
    if (target == nullptr) continue;
    target->on_visit(visit);
    if (visit == Visit::kReclaim) targets_.remove(id);
  }
}

bool Operations::has_requests() const {
  return std::any_of(requests_.begin(), requests_.end(),
                     [](const auto& requested) { return !requested.empty(); });
}

void Operations::reap() {
  ring_->reap(completions_);
}

void Operations::dispatch() {
  // Nothing adds to the array meanwhile: only reap() does, once a tick.
  for (const Completion& completion : completions_) dispatch_one(completion);
  completions_.clear();
}

void Operations::dispatch_one(const Completion& completion) {
  OpTarget* const target = targets_.find(completion.target);
  if (completion.kind == OpKind::kCancel) {
    if (target != nullptr) target->on_cancel_missed();
    return;
  }
  // A target is freed only with nothing in flight.
  MANA_CHECK(target != nullptr);
  target->on_completion(completion);
}

void Operations::shed_output() {
  if (output_bytes.value() > output_bytes_max_) drop_oldest_backlogs();
}

// Looks at all sockets, but frees so much that it is seldom.
void Operations::drop_oldest_backlogs() {
  std::vector<std::pair<uint64_t, SlotId>> waiting;
  targets_.for_each([&waiting](SlotId id, const OpTarget& target) {
    const OpTarget::Backlog backlog = target.backlog();
    if (backlog.bytes > 0) waiting.emplace_back(backlog.since, id);
  });
  std::ranges::sort(waiting, {}, &std::pair<uint64_t, SlotId>::first);
  const int64_t wanted_bytes =
      output_bytes_max_ - output_bytes_max_ / static_cast<int64_t>(limits::kOutputFreedShare);
  for (const auto& [since, id] : waiting) {
    if (output_bytes.value() <= wanted_bytes) return;
    targets_.find(id)->drop_backlog();
    slow_readers_closed.add();
  }
}

void Operations::abandon_all() {
  // One by one first: to find all that is in flight takes the kernel time that grows with its
  // square (a minute for 10,000 sockets), to find one takes it no time.
  targets_.for_each([this](SlotId id, const OpTarget&) {
    for (const OpKind kind : kCancellableKinds) ring_->submit_cancel(kind, id);
  });
  while (ring_->in_flight() > 0) {
    const size_t before = ring_->in_flight();
    ring_->submit_and_wait(kAbandonStepNs);
    ring_->reap(completions_);
    if (ring_->in_flight() == before) ring_->submit_cancel_all();
  }
  for (const Completion& completion : completions_) {
    if (completion.kind == OpKind::kAccept && completion.result >= 0) ::close(completion.result);
  }
}

}  // namespace mana_sync::net
