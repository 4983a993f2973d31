#include "notice_check.h"

#include <algorithm>
#include <functional>
#include <set>

namespace mana_sync::sim {

bool NoticeCheck::hears(const OutcomeRow& row) const {
  return row.stream.user_id == interest_.user_id &&
         (!interest_.app_id || *interest_.app_id == row.stream.app_id) &&
         (interest_.client_id.empty() || interest_.client_id != row.client_id);
}

// A row of unknown outcome may be stored, now or later, and its repeat stores nothing then: so it
// is told. The pull that this sets off waits until it is known (ARCHITECTURE §11).
void NoticeCheck::on_outcome(const OutcomeRow& row, bool is_owed) {
  if (!hears(row)) return;
  Change& change = undrained_[row.stream.app_id][row.table];
  change.is_owed |= is_owed;
  if (row.is_stored) change.stored_us = row.stamp_us;
}

bool NoticeCheck::owes() const {
  return std::ranges::any_of(due_, [](const auto& app) {
    return std::ranges::any_of(app.second, [](const auto& table) { return table.second.is_owed; });
  });
}

void NoticeCheck::on_drained(size_t calls) {
  for (const auto& [app_id, tables] : undrained_) {
    for (const auto& [table, change] : tables) {
      Change& due = due_[app_id][table];
      due.is_owed |= change.is_owed;
      due.stored_us = std::max(due.stored_us, change.stored_us);
    }
  }
  undrained_.clear();
  check_woken(calls);
  waits_ |= calls > 0;
}

void NoticeCheck::check_woken(size_t calls) {
  if (calls > (waits_ ? 0u : 1u)) journal_.fail("6.2: {} is woken again before it took", who_);
  if (calls > 0 && due_.empty()) journal_.fail("6.2: {} is woken for nothing", who_);
  if (calls == 0 && !waits_ && owes()) journal_.fail("6.2: {} is not woken", who_);
}

void NoticeCheck::on_taken(const std::vector<std::shared_ptr<const sync::Notice>>& notices) {
  if (waits_ && notices.empty()) journal_.fail("6.2: {} was woken, and nothing waits", who_);
  std::set<std::string> apps;
  for (const auto& notice : notices) {
    if (!apps.insert(notice->app_id).second) {
      journal_.fail("6.2: {} is told of {} in two notices", who_, notice->app_id);
    }
    check_notice(*notice);
  }
  for (const auto& [app_id, tables] : due_) {
    for (const auto& [table, change] : tables) {
      if (change.is_owed) journal_.fail("6.2: {} is never told of {} in {}", who_, table, app_id);
    }
  }
  due_.clear();
  waits_ = false;
}

void NoticeCheck::check_notice(const sync::Notice& notice) {
  journal_.trace("  {} is told: {}", who_, notice.message);
  const std::vector<std::string>& tables = notice.tables;
  if (tables.empty() ||
      std::ranges::adjacent_find(tables, std::ranges::greater_equal()) != tables.end()) {
    journal_.fail("6.1: {} is told of tables that are not sorted and unique: {}", who_,
                  notice.message);
  }
  for (const std::string& table : tables) {
    auto& due = due_[notice.app_id];
    const auto change = due.find(table);
    if (change == due.end()) {
      journal_.fail("6.1, 6.2: {} is told of {} in {}, where nothing new is for it", who_, table,
                    notice.app_id);
      continue;
    }
    if (!is_visible(notice.app_id, table, change->second)) {
      journal_.fail("6.2: {} is told of {} in {} before it is stored", who_, table, notice.app_id);
    }
    due.erase(change);
  }
}

bool NoticeCheck::is_visible(const std::string& app_id, const std::string& table,
                             const Change& change) const {
  if (change.stored_us == 0) return true;  // nobody knows
  const auto& rows = store_.rows_of({interest_.user_id, app_id});
  for (size_t i = rows.size(); i-- > 0;) {
    if (rows[i].stamp_us == change.stored_us) return rows[i].table == table;
  }
  return false;
}

}  // namespace mana_sync::sim
