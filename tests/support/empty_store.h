// What a request costs without PostgreSQL: a store that takes everything and holds nothing.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// One thread.
class EmptyStore final : public StorePort {
 public:
  void commit(const CommitUnit&, CommitCallback done) override {
    commits_.push_back(std::move(done));
  }
  void read_page(PageQuery query, PageCallback done) override {
    reads_.push_back([up_to_us = query.up_to_us, done = std::move(done)]() mutable {
      done(Page{.rows = {}, .has_more = false, .scanned_up_to_us = up_to_us});
    });
  }
  void load_stream(StreamName, std::move_only_function<void(std::span<const ChangeRow>)>,
                   std::move_only_function<void(Result<void>)> done) override {
    reads_.push_back([done = std::move(done)]() mutable { done({}); });
  }
  void lookup(LookupQuery query, LookupCallback done) override {
    reads_.push_back([count = query.cells.size(), done = std::move(done)]() mutable {
      done(Lookup{.cells = std::vector<std::optional<StoredCell>>(count), .inserts = {}});
    });
  }

  // Answers what has been asked; false: nothing was.
  bool answer_all() {
    if (commits_.empty() && reads_.empty()) return false;
    std::swap(commits_, commits_answered_);
    for (CommitCallback& done : commits_answered_) done(CommitOutcome::kCommitted, {});
    commits_answered_.clear();
    for (auto& answer : std::exchange(reads_, {})) answer();
    return true;
  }

 private:
  // Kept apart, with their room, so that a commit allocates nothing here.
  std::vector<CommitCallback> commits_;
  std::vector<CommitCallback> commits_answered_;
  std::vector<std::move_only_function<void()>> reads_;
};

}  // namespace mana_sync::sync
