// A client that pulls when it subscribes and when it is told that there is something new, and never
// else: in the end it has all that others wrote, or a notice was lost, or came too early for the
// pull that it set off (PROTOCOL 6.2).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dice.h"
#include "journal.h"
#include "knobs.h"
#include "mana_sync/sync/engine.h"
#include "sim_store.h"

namespace mana_sync::sim {

class Follower {
 public:
  // All must outlive it. It follows all streams of the world that are of `interest`.
  Follower(const Knobs& knobs, const sync::Interest& interest, Dice& dice, Journal& journal);

  // Something new is there: in one app, or wherever.
  void expect_news(const std::string& app_id);
  void expect_news();
  // Sends off a pull of each stream that it wants to, if none is under way.
  void pull(sync::Engine& engine);
  // The server died: no answer comes any more.
  void cut();
  [[nodiscard]] bool is_done() const;
  // REQUIRES: is_done().
  void check(const std::string& who, SimStore& store) const;

 private:
  struct Followed {
    sync::StreamName stream;
    bool wants = false;
    bool is_pulling = false;
    int64_t cursor_us = 0;
    std::vector<std::string> seen{};  // ids of the changes that came
  };

  static void on_answer(Followed& followed, Result<GatheredText> result, Journal& journal);
  void check(const std::string& who, const Followed& followed, SimStore& store) const;

  const Knobs& knobs_;
  const std::string client_id_;
  Dice& dice_;
  Journal& journal_;
  // Shared with answers under way, which may come when nobody follows any more.
  std::vector<std::shared_ptr<Followed>> streams_;
};

}  // namespace mana_sync::sim
