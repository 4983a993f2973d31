// The end of a run: the trouble stops, all push and pull, and the checks are made.
#include <algorithm>

#include "checks.h"
#include "world.h"

namespace mana_sync::sim {
namespace {

// Each round brings every request a step further; more is a hang.
constexpr int kRoundsMax = 2'000;
constexpr int64_t kRoundUs = 1'000;

}  // namespace

void World::settle() {
  journal_.trace("all trouble ends");
  settling_ = true;
  lapsed_steps_ = 0;
  store_.heal();
  renew_lease();
  settle_requests();
  everybody_pushes();
  everybody_pulls();
  sockets_catch_up();
}

void World::settle_requests() {
  for (int round = 0; round < kRoundsMax && !journal_.failure(); ++round) {
    true_us_ += kRoundUs;
    clock_.advance_us(kRoundUs);
    if (high_water_us_ - clock_.wall_us() < limits::kLeaseAheadUs / 2) renew_lease();
    deliver_any(Request::State::kToServer);
    end_tick();
    store_.advance();
    deliver_any(Request::State::kToDevice);
    if (requests_.empty() && store_.is_idle() && engine_->waiting_pushes() == 0) return;
  }
  journal_.fail("a request is never answered");
}

void World::everybody_pushes() {
  for (int round = 0; round < kRoundsMax && !journal_.failure(); ++round) {
    std::vector<size_t> due;
    for (size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i]->outbox_size() > 0) due.push_back(i);
    }
    if (due.empty()) return;
    const size_t device = dice_.pick(due);
    if (auto what = devices_[device]->next_request(true)) send(device, std::move(*what));
    settle_requests();
  }
  journal_.fail("a device is never done with its pushes");
}

void World::everybody_pulls() {
  for (const auto& device : devices_) device->expect_news();
  for (int round = 0; round < kRoundsMax && !journal_.failure(); ++round) {
    bool all_complete = true;
    for (size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i]->is_complete()) continue;
      all_complete = false;
      if (auto what = devices_[i]->next_request(true)) send(i, std::move(*what));
    }
    if (all_complete) return;
    settle_requests();
  }
  journal_.fail("a device is never done with its pulls");
}

void World::sockets_catch_up() {
  for (int round = 0; round < kRoundsMax && !journal_.failure(); ++round) {
    end_tick();
    sockets_.catch_up(*engine_);
    if (sockets_.are_done()) return sockets_.leave();
    store_.advance();
  }
  journal_.fail("a socket never has what it was told of");
}

void World::check(RunCounts& counts) {
  for (size_t stream = 0; stream < acknowledged_us_.size(); ++stream) {
    const sync::StreamName name = stream_name(stream);
    const sync::testing::StoredRows& rows = store_.rows_of(name);
    const Reference reference(rows, journal_);
    check_edits(stream, edits_, reference, journal_);
    counts.corrections += check_answers(stream, answers_, edits_, rows, reference, journal_);
    for (size_t i = 0; i < rows.size(); ++i) counts.restated += rows[i].client_id.empty();
    for (const auto& device : devices_) {
      if (device->stream() != stream) continue;
      const Compared compared = check_device(*device, reference, edits_, journal_);
      counts.compared_cells += compared.cells;
      counts.exempt_cells += compared.exempt;
    }
  }
  for (size_t stream = 0; stream < acknowledged_us_.size() && !journal_.failure(); ++stream) {
    check_memory({.stream = stream_name(stream),
                  .engine = *engine_,
                  .store = store_,
                  .clock = clock_,
                  .high_water_us = high_water_us_,
                  .dice = dice_,
                  .journal = journal_});
  }
}

}  // namespace mana_sync::sim
