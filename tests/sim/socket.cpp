#include "socket.h"

#include <algorithm>
#include <utility>

#include "edits.h"

namespace mana_sync::sim {

using sync::CommitOutcome;

// --- One

void Socket::subscribe(sync::Hub& hub, sync::Interest interest, Habit habit) {
  hub_ = &hub;
  habit_ = habit;
  interest_ = std::move(interest);
  check_.emplace(name_, interest_, store_, journal_);
  id_ = hub.subscribe(interest_, *this);
  if (follower_) follower_->expect_news();
}

void Socket::unsubscribe() {
  hub_->unsubscribe(id_);
  check_.reset();
}

void Socket::cut() {
  check_.reset();
  if (follower_) follower_->cut();
}

void Socket::take() {
  check_taken(hub_->take(id_));
}

void Socket::on_notified() {
  ++calls_;
  if (habit_ == Habit::kSlow) return;
  taken_ = hub_->take(id_);
  if (habit_ == Habit::kPrompt) return;
  hub_->unsubscribe(id_);
  if (habit_ == Habit::kReturns) id_ = hub_->subscribe(interest_, *this);
}

void Socket::on_outcome(const OutcomeRow& row, bool is_owed) {
  if (check_) check_->on_outcome(row, is_owed);
}

void Socket::on_drained() {
  if (!check_) return;
  const size_t calls = std::exchange(calls_, 0);
  check_->on_drained(calls);
  if (calls == 0 || habit_ == Habit::kSlow) return;
  check_taken(std::exchange(taken_, {}));
  if (habit_ == Habit::kLeaves) check_.reset();
  if (habit_ != Habit::kReturns) return;
  check_.emplace(name_, interest_, store_, journal_);
  if (follower_) follower_->expect_news();
}

void Socket::check_taken(const Notices& notices) {
  notices_ += notices.size();
  check_->on_taken(notices);
  if (!follower_) return;
  for (const auto& notice : notices) follower_->expect_news(notice->app_id);
}

// --- All

Sockets::Sockets(const Knobs& knobs, Dice& dice, SimStore& store, Journal& journal)
    : knobs_(knobs), dice_(dice), store_(store), journal_(journal) {
  for (int64_t i = 0; i < knobs.sockets; ++i) {
    sockets_.push_back(std::make_unique<Socket>(fmt::format("socket {}", i), store, journal));
  }
  store.watch_outcomes([this](const auto& stream, auto rows, CommitOutcome outcome) {
    on_outcome(stream, rows, outcome);
  });
}

void Sockets::act(sync::Engine& engine, const std::vector<Client>& clients) {
  if (sockets_.empty()) return;
  Socket& socket = *sockets_[dice_.below(sockets_.size())];
  if (!socket.is_subscribed()) {
    if (dice_.one_in(2)) subscribe(socket, engine.hub(), dice_.pick(clients));
  } else if (dice_.between(0, 999) < knobs_.socket_churn) {
    socket.unsubscribe();
    if (dice_.one_in(2)) subscribe(socket, engine.hub(), dice_.pick(clients));
  } else if (dice_.one_in(4)) {
    socket.take();  // perhaps nothing
  }
  if (socket.follower() != nullptr && dice_.one_in(2)) socket.follower()->pull(engine);
}

void Sockets::subscribe(Socket& socket, sync::Hub& hub, const Client& client) {
  sync::Interest interest = any_interest(client);
  if (socket.follower() != nullptr && dice_.one_in(2)) {
    interest = socket.interest();
  } else if (dice_.percent(knobs_.followers)) {
    socket.follow(std::make_unique<Follower>(knobs_, interest, dice_, journal_));
  } else {
    socket.follow(nullptr);
  }
  journal_.trace("{} of {} subscribes to {}, as {}", socket.name(), interest.user_id,
                 interest.app_id.value_or("all apps"), interest.client_id);
  socket.subscribe(hub, std::move(interest), any_habit());
  for (const OutcomeRow& row : undrained_) socket.on_outcome(row, false);
}

sync::Interest Sockets::any_interest(const Client& client) {
  sync::StreamName stream = stream_name(client.stream);
  sync::Interest interest{
      .user_id = std::move(stream.user_id), .app_id = std::nullopt, .client_id = {}};
  if (dice_.one_in(2)) interest.app_id = std::move(stream.app_id);
  if (dice_.one_in(2)) interest.client_id = client.id;
  return interest;
}

Socket::Habit Sockets::any_habit() {
  if (dice_.percent(knobs_.slow_sockets)) return Socket::Habit::kSlow;
  if (!dice_.percent(knobs_.leaving_sockets)) return Socket::Habit::kPrompt;
  return dice_.one_in(2) ? Socket::Habit::kLeaves : Socket::Habit::kReturns;
}

void Sockets::on_outcome(const sync::StreamName& stream, std::span<const sync::ChangeRow> rows,
                         CommitOutcome outcome) {
  const bool is_stored = outcome == CommitOutcome::kCommitted;
  if (!is_stored && outcome != CommitOutcome::kUnknown) return;
  for (const sync::ChangeRow& row : rows) {
    undrained_.push_back({.stream = stream,
                          .table = std::string(row.table),
                          .client_id = std::string(row.client_id),
                          .stamp_us = row.stamp_us,
                          .is_stored = is_stored});
    for (const auto& socket : sockets_) socket->on_outcome(undrained_.back(), true);
  }
}

void Sockets::drain(sync::Engine& engine) {
  engine.hub().drain();
  undrained_.clear();
  for (const auto& socket : sockets_) {
    socket->on_drained();
    if (socket->follower() != nullptr && dice_.one_in(2)) socket->follower()->pull(engine);
  }
}

void Sockets::cut() {
  undrained_.clear();
  for (const auto& socket : sockets_) socket->cut();
}

void Sockets::catch_up(sync::Engine& engine) {
  for (const auto& socket : sockets_) {
    if (!socket->is_subscribed()) continue;
    socket->take();
    if (Follower* follower = socket->follower()) follower->pull(engine);
  }
}

bool Sockets::are_done() const {
  return std::ranges::all_of(sockets_, [](const auto& socket) {
    return !socket->is_subscribed() || socket->follower() == nullptr ||
           socket->follower()->is_done();
  });
}

void Sockets::leave() {
  for (const auto& socket : sockets_) {
    if (!socket->is_subscribed()) continue;
    socket->take();
    if (Follower* follower = socket->follower()) follower->check(socket->name(), store_);
    socket->unsubscribe();
  }
}

size_t Sockets::notices() const {
  size_t notices = 0;
  for (const auto& socket : sockets_) notices += socket->notices();
  return notices;
}

}  // namespace mana_sync::sim
