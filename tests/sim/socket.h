// WebSockets of the users, as the server holds them (PROTOCOL §6): they come and go, hear of one
// app or of all, and take what waits at once or later.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dice.h"
#include "follower.h"
#include "journal.h"
#include "knobs.h"
#include "mana_sync/sync/engine.h"
#include "notice_check.h"
#include "sim_store.h"

namespace mana_sync::sim {

// One socket; for its life, one subscription or none at a time.
class Socket final : public sync::Subscriber {
 public:
  enum class Habit {
    kPrompt,   // takes within the call
    kSlow,     // takes later
    kLeaves,   // takes, and unsubscribes within the call
    kReturns,  // the same, and subscribes again within the call
  };

  // All must outlive it.
  Socket(std::string name, SimStore& store, Journal& journal)
      : name_(std::move(name)), store_(store), journal_(journal) {}

  // `hub` must live until unsubscribe() or cut().
  void subscribe(sync::Hub& hub, sync::Interest interest, Habit habit);
  void unsubscribe();
  // The server died.
  void cut();
  [[nodiscard]] bool is_subscribed() const { return check_.has_value(); }
  // All that waits, if anything does.
  void take();

  void on_notified() override;
  void on_gap() override {}  // nobody else writes in this world

  // For the checks: the engine is told of a row; the hub was drained.
  void on_outcome(const OutcomeRow& row, bool is_owed);
  void on_drained();
  [[nodiscard]] size_t notices() const { return notices_; }

  // Who follows what it is told; kept over a new subscription of the same interest.
  void follow(std::unique_ptr<Follower> follower) { follower_ = std::move(follower); }
  [[nodiscard]] Follower* follower() { return follower_.get(); }
  [[nodiscard]] const sync::Interest& interest() const { return interest_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  using Notices = std::vector<std::shared_ptr<const sync::Notice>>;

  void check_taken(const Notices& notices);

  const std::string name_;
  SimStore& store_;
  Journal& journal_;
  sync::Hub* hub_ = nullptr;
  sync::Interest interest_;
  Habit habit_ = Habit::kPrompt;
  sync::SubscriptionId id_;
  std::optional<NoticeCheck> check_;  // of the subscription
  // What came in the drain under way. It is looked at after it: in which order the hub calls is not
  // the seed's to say.
  size_t calls_ = 0;
  Notices taken_;
  size_t notices_ = 0;
  std::unique_ptr<Follower> follower_;
};

// All of a world's.
class Sockets {
 public:
  // All must outlive it. The dice are its own: what a seed makes without sockets it makes with
  // them.
  Sockets(const Knobs& knobs, Dice& dice, SimStore& store, Journal& journal);

  // One of them does something. `clients`: of the devices, with their streams.
  struct Client {
    size_t stream = 0;
    std::string id;
  };
  void act(sync::Engine& engine, const std::vector<Client>& clients);
  // As the server does at the end of each tick.
  void drain(sync::Engine& engine);
  // The server died.
  void cut();
  // In the end: what waits is taken, and followers pull until they are done.
  void catch_up(sync::Engine& engine);
  [[nodiscard]] bool are_done() const;
  // The checks are made, and all leave.
  void leave();
  // How often one was told.
  [[nodiscard]] size_t notices() const;

 private:
  void subscribe(Socket& socket, sync::Hub& hub, const Client& client);
  [[nodiscard]] sync::Interest any_interest(const Client& client);
  [[nodiscard]] Socket::Habit any_habit();
  void on_outcome(const sync::StreamName& stream, std::span<const sync::ChangeRow> rows,
                  sync::CommitOutcome outcome);

  const Knobs& knobs_;
  Dice& dice_;
  SimStore& store_;
  Journal& journal_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<OutcomeRow> undrained_;
};

}  // namespace mana_sync::sim
