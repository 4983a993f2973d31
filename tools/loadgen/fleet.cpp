#include "fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mana_sync::loadgen {
namespace {

constexpr auto kOpenInterval = std::chrono::milliseconds(1);

}  // namespace

Fleet::Fleet(RunContext& run, FleetOptions options, FleetEvents& events)
    : run_(run), options_(options), events_(events) {
  listeners_.resize(options.listeners);
  for (size_t i = 0; i < options.listeners; ++i) {
    listeners_[i].listener = Listener::make(
        options.kind, {run.network, run.json, *this},
        {i, run.options.app, run.tokens[i % run.tokens.size()], fmt::format("listener-{}", i)});
  }
}

Fleet::~Fleet() {
  run_.network.loop().cancel(open_timer_);
  run_.network.loop().cancel(retry_timer_);
}

void Fleet::open(double opened_per_s) {
  opened_per_s_ = opened_per_s;
  begun_ns_ = run_.network.now_ns();
  opened_ = ready_ = given_up_ = 0;
  retries_ = 0;
  opening_ns_ = 0;
  ready_after_ = {};
  for (Member& member : listeners_) member.retries = 0;
  open_due();
}

double Fleet::opening_s(double opened_per_s) const {
  return opened_per_s > 0 ? static_cast<double>(listeners_.size()) / opened_per_s : 0;
}

void Fleet::open_due() {
  size_t due = listeners_.size();
  if (opened_per_s_ > 0) {
    const auto passed_s = static_cast<double>(run_.network.now_ns() - begun_ns_) / 1e9;
    due = std::min(due, static_cast<size_t>(passed_s * opened_per_s_) + 1);
  }
  while (opened_ < due) open_one(opened_++);
  if (opened_ < listeners_.size()) {
    open_timer_ = run_.network.loop().after(kOpenInterval, [this] { open_due(); });
  }
}

void Fleet::open_one(size_t listener) {
  Member& member = listeners_[listener];
  member.state = State::kOpening;
  member.opened_ns = run_.network.now_ns();
  member.listener->open();
}

void Fleet::cut() {
  run_.network.loop().cancel(open_timer_);
  run_.network.loop().cancel(retry_timer_);
  to_retry_.clear();
  for (Member& member : listeners_) {
    member.state = State::kClosed;
    member.listener->cut();
  }
}

void Fleet::on_ready(size_t listener) {
  Member& member = listeners_[listener];
  if (member.state != State::kOpening) return;
  member.state = State::kReady;
  ready_after_.record(run_.network.now_ns() - member.opened_ns);
  ++ready_;
  decide();
}

void Fleet::on_tables(size_t listener, std::span<const std::string_view> tables) {
  events_.on_tables(listener, tables);
}

void Fleet::on_ended(size_t listener, std::string_view reason) {
  Member& member = listeners_[listener];
  if (member.state == State::kReady) {
    member.state = State::kLost;
    return events_.on_lost(listener, reason);
  }
  run_.report.add_error(reason);
  member.state = State::kClosed;
  if (member.retries == options_.retries_max) {
    ++given_up_;
    return decide();
  }
  ++member.retries;
  ++retries_;
  to_retry_.push_back(listener);
  if (to_retry_.size() > 1) return;
  retry_timer_ = run_.network.loop().after(std::chrono::milliseconds(kRetryMs), [this] {
    for (const size_t one : std::exchange(to_retry_, {})) open_one(one);
  });
}

void Fleet::decide() {
  if (ready_ + given_up_ < listeners_.size()) return;
  opening_ns_ = run_.network.now_ns() - begun_ns_;
  events_.on_all_decided();
}

}  // namespace mana_sync::loadgen
