// Which push's notice reached which listener, and how long it took.
//
// A notice names tables, not pushes. So each push writes to a table of its own, out of a cycle of
// names: who is told of the table was told of the push, be its notice merged with others or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"

namespace mana_sync::loadgen {

// Listeners stand in groups, one for each user; a push concerns one group. One thread.
class NoticeLedger {
 public:
  // Pushes that are remembered. One that still waits when its table's turn comes again is missed.
  static constexpr size_t kTablesMax = 1'000;

  // `group_listeners`: of each group.
  explicit NoticeLedger(size_t group_listeners) : group_listeners_(group_listeners) {}

  // A push is due; its number. Numbers ascend by one.
  uint64_t begin(size_t group, int64_t now_ns);
  // The table that the push is to write to.
  [[nodiscard]] static std::string table_of(uint64_t push);
  // The push was answered 200.
  void on_answered(uint64_t push, int64_t now_ns);
  // It was not, or not at all: nobody need hear of it.
  void on_refused(uint64_t push);
  // `listener` (0 to group_listeners - 1) of `group` was told of `table`.
  void on_told(size_t group, size_t listener, std::string_view table, int64_t now_ns);

  // Every push was answered, and everybody told.
  [[nodiscard]] bool is_settled() const { return unsettled_ == 0; }
  // Notices that did not come, one for each listener and push. What waits still counts.
  [[nodiscard]] uint64_t missed() const;
  // Notices of pushes that do not concern who got them.
  [[nodiscard]] uint64_t astray() const { return astray_; }

  // Of the settled pushes. A request counts from when it was due. From the answer it is 0 where the
  // notice came before it.
  struct Latencies {
    Histogram answer_to_first, answer_to_last, request_to_first, request_to_last, request_to_answer;
  };
  [[nodiscard]] const Latencies& latencies() const { return latencies_; }

 private:
  struct Push {
    size_t group;
    int64_t due_ns;
    int64_t answered_ns = 0;  // 0: not yet
    int64_t first_ns = 0;
    int64_t last_ns = 0;
    size_t told = 0;
    std::vector<bool> is_told = {};  // by listener
    bool is_settled = false;
  };

  [[nodiscard]] Push* find(uint64_t push);
  void settle_if_complete(Push& push);
  void forget_oldest();

  const size_t group_listeners_;
  uint64_t oldest_ = 0;  // number of the first of pushes_
  std::deque<Push> pushes_;
  size_t unsettled_ = 0;
  uint64_t missed_ = 0;  // of those that were forgotten
  uint64_t astray_ = 0;
  Latencies latencies_;
};

}  // namespace mana_sync::loadgen
