// What a subscribed socket is to be told, and nothing else (PROTOCOL 6.1, 6.2): as the store's
// outcomes have it, and not the hub.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "journal.h"
#include "mana_sync/sync/hub.h"
#include "mana_sync/sync/store_port.h"
#include "sim_store.h"

namespace mana_sync::sim {

// A row of a unit whose outcome the engine was told: that the row is stored, or that nobody knows.
struct OutcomeRow {
  sync::StreamName stream;
  std::string table;
  std::string client_id;
  int64_t stamp_us = 0;
  bool is_stored = false;
};

// Of one subscription, from its beginning to its end.
class NoticeCheck {
 public:
  // Both must outlive it. `who`: the socket, for the reasons of failures.
  NoticeCheck(std::string who, sync::Interest interest, SimStore& store, Journal& journal)
      : who_(std::move(who)), interest_(std::move(interest)), store_(store), journal_(journal) {}

  // The engine is told of the row. What the socket took before does not count: until now a pull
  // ended below the row. `is_owed`: it was subscribed already. If not, its first pull brings the
  // change, and it may be told or not.
  void on_outcome(const OutcomeRow& row, bool is_owed);
  // The hub was drained, and called the socket so many times: whatever has its outcome waits.
  void on_drained(size_t calls);
  // What waited, and no more.
  void on_taken(const std::vector<std::shared_ptr<const sync::Notice>>& notices);

 private:
  struct Change {
    bool is_owed = false;
    int64_t stored_us = 0;  // the newest stamp that the store said is stored; 0: it said nothing
  };
  // By app and table.
  using Changes = std::map<std::string, std::map<std::string, Change>>;

  [[nodiscard]] bool hears(const OutcomeRow& row) const;
  [[nodiscard]] bool owes() const;
  void check_woken(size_t calls);
  void check_notice(const sync::Notice& notice);
  [[nodiscard]] bool is_visible(const std::string& app_id, const std::string& table,
                                const Change& change) const;

  const std::string who_;
  const sync::Interest interest_;
  SimStore& store_;
  Journal& journal_;
  Changes undrained_;
  Changes due_;
  bool waits_ = false;  // true exactly while it was woken and has not taken
};

}  // namespace mana_sync::sim
