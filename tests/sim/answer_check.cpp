#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "checks.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "wire.h"

namespace mana_sync::sim {
namespace {

using sync::testing::StoredRow;

std::string id_of(const StoredRow& row) {
  std::string id;
  append_uuid(id, row.event_id);
  return id;
}

// What a change says, whether it is a row or was sent.
using Said = std::map<std::string, std::pair<std::string, int64_t>>;

Said said_by(const StoredRow& row) {
  Said said;
  for (JsonMembers time(row.field_timestamps); time.next();) {
    said[std::string(time.key())] = {
        canonical(find_member(row.data, time.key()).value_or("")),
        parse_rfc3339_ms(plain_string(time.value()).value_or("")).value_or(0)};
  }
  return said;
}

Said said_by(const SentChange& change) {
  Said said;
  for (const SentField& field : change.fields) {
    said[field.name] = {field.value, field.time_ms.value_or(0)};
  }
  return said;
}

class AnswerCheck {
 public:
  AnswerCheck(const LoggedAnswer& logged, const EditLog& edits,
              const sync::testing::StoredRows& rows,
              const std::map<std::string, const StoredRow*>& by_id, const Reference& reference,
              Journal& journal)
      : request_(logged.request),
        answer_(logged.answer),
        edits_(edits),
        rows_(rows),
        by_id_(by_id),
        reference_(reference),
        journal_(journal) {}

  // Returns how many changes are corrections.
  size_t run() {
    std::vector<const SentChange*> sent;
    for (const SentChange& change : answer_.changes) {
      by_id_.contains(change.event_id) ? sent.push_back(&change) : check_correction(change);
    }
    check_rows(sent);
    check_cursor(sent);
    for (const SentConflict& conflict : answer_.conflicts) check_conflict(conflict);
    if (request_.is_push) check_all_conflicts();
    return answer_.changes.size() - sent.size();
  }

 private:
  template <class... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    journal_.fail(
        "{} (answer to {} since {}, until {})", fmt::format(format, std::forward<Args>(args)...),
        request_.is_push ? "a push" : "a pull", request_.since_us, answer_.synced_until_us);
  }

  // PROTOCOL 10.1: exactly what is after the one cursor and not after the other.
  void check_rows(const std::vector<const SentChange*>& sent) {
    size_t next = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const StoredRow& row = rows_[i];
      if (row.stamp_us <= request_.since_us || row.stamp_us > answer_.synced_until_us) continue;
      if (request_.exclude_client == row.client_id) continue;
      if (!request_.tables.empty() && std::ranges::count(request_.tables, row.table) == 0) continue;
      if (next == sent.size() || sent[next]->event_id != id_of(row)) {
        return fail("10.1: the change of {}/{} with stamp {} is missing", row.table, row.record,
                    row.stamp_us);
      }
      const SentChange& change = *sent[next++];
      if (change.op != row.op || said_by(change) != said_by(row)) {
        return fail("4.1: the change with stamp {} is not sent as it is stored", row.stamp_us);
      }
    }
    if (next != sent.size()) {
      fail("10.1: a change with stamp {} is sent and not asked for",
           by_id_.at(sent[next]->event_id)->stamp_us);
    }
  }

  void check_cursor(const std::vector<const SentChange*>& sent) {
    if (!request_.is_push && sent.size() > request_.changes_max) {
      fail("3.2: {} changes, and {} were asked for", sent.size(), request_.changes_max);
    }
    // A page ends at its last change, or behind what it passed over.
    if (answer_.has_more) {
      if (answer_.synced_until_us <= request_.since_us) fail("3.2: the cursor does not move");
      return;
    }
    // At the end of the lease cursors stand still.
    if (answer_.synced_until_us <= request_.since_us &&
        answer_.synced_until_us < request_.high_water_us) {
      fail("10.3: the cursor does not move");
    }
    if (answer_.synced_until_us < request_.acknowledged_us) {
      fail("2.4: what was stored with stamp {} before the request came is not there",
           request_.acknowledged_us);
    }
  }

  // Whether the answer's time knew `entry`.
  [[nodiscard]] bool is_known(const CellEntry& entry) const {
    return entry.stamp_us <= request_.answered_at_us;
  }

  // PROTOCOL 5.6, 5.9: the winner of a cell that the push edited.
  void check_correction(const SentChange& change) {
    if (!request_.is_push || change.op != sync::Op::kUpdate) {
      return fail("5.6: a change of {}/{} that is no row", change.table, change.record);
    }
    for (const SentField& field : change.fields) {
      const CellId id{change.table, change.record, field.name};
      if (!corrected_.insert(id).second) fail("5.6: {} is corrected twice", id.text());
      const Reference::Cell* cell = reference_.find(id);
      const bool is_true =
          cell != nullptr && std::ranges::any_of(cell->winners, [&](const CellEntry& entry) {
            return is_known(entry) && entry.value == field.value && entry.time_ms == field.time_ms;
          });
      if (!is_true) fail("5.6: {} is corrected to {}, which nobody wrote", id.text(), field.value);
      // An insert without a time edits `updatedAt` as well (PROTOCOL 2.7).
      const bool is_asked =
          id.field == "updatedAt" ||
          std::ranges::any_of(request_.edits, [&](size_t edit) { return edits_[edit].cell == id; });
      if (!is_asked) fail("5.6: {} is corrected, and was not edited", id.text());
    }
  }

  // PROTOCOL 5.5.
  void check_conflict(const SentConflict& conflict) {
    const CellId id{conflict.table, conflict.record, conflict.field};
    conflicts_.insert(id);
    const bool is_ours = std::ranges::any_of(request_.edits, [&](size_t index) {
      const MadeEdit& edit = edits_[index];
      const bool same_time =
          !edit.time_ms || edit.out_of_bounds || *edit.time_ms <= conflict.client_time_ms;
      return edit.cell == id && same_time &&
             (!conflict.has_values || edit.value == conflict.client_value || edit.is_delete ||
              is_replaced(edit));
    });
    if (!is_ours) fail("5.5: {} = {} was not pushed", id.text(), conflict.client_value);
    const Reference::Cell* cell = reference_.find(id);
    // What beat it came from another client; a later edit of this push may have won since.
    const bool is_true =
        cell != nullptr && std::ranges::any_of(cell->winners, [&](const CellEntry& entry) {
          const bool may_be_told = entry.client_id != request_.exclude_client ||
                                   entry.stamp_us > request_.arrived_after_us;
          return is_known(entry) && may_be_told &&
                 (!conflict.has_values || entry.value == conflict.server_value) &&
                 entry.time_ms == conflict.server_time_ms;
        });
    if (!is_true) fail("5.5: {} = {} did not win", id.text(), conflict.server_value);
    if (conflict.client_time_ms > conflict.server_time_ms ||
        (conflict.has_values && conflict.client_value == conflict.server_value)) {
      fail("5.5: {} = {} did not lose to {}", id.text(), conflict.client_value,
           conflict.server_value);
    }
  }

  // Every edit that certainly lost to another client is reported: one of a cell in which this
  // client never won, and which another had won before the push came.
  void check_all_conflicts() {
    for (const size_t index : request_.edits) {
      const MadeEdit& edit = edits_[index];
      const Reference::Cell* cell = reference_.find(edit.cell);
      if (!edit.time_ms || edit.out_of_bounds || cell == nullptr) continue;
      bool had_lost = false;
      bool is_clear = true;
      for (const CellEntry& entry : cell->winners) {
        if (!is_known(entry)) continue;
        is_clear &= entry.client_id != edit.client_id && entry.value != edit.value;
        had_lost |= entry.stamp_us <= request_.arrived_after_us && entry.time_ms >= *edit.time_ms;
      }
      if (!had_lost || !is_clear || conflicts_.contains(edit.cell)) continue;
      fail("5.5: {} = {} at {} lost, and is not reported", edit.cell.text(), edit.value,
           *edit.time_ms);
    }
  }

  const AnsweredRequest& request_;
  const WireAnswer& answer_;
  const EditLog& edits_;
  const sync::testing::StoredRows& rows_;
  const std::map<std::string, const StoredRow*>& by_id_;
  const Reference& reference_;
  Journal& journal_;
  std::set<CellId> corrected_;
  std::set<CellId> conflicts_;
};

}  // namespace

size_t check_answers(size_t stream, const AnswerLog& answers, const EditLog& edits,
                     const sync::testing::StoredRows& rows, const Reference& reference,
                     Journal& journal) {
  std::map<std::string, const StoredRow*> by_id;
  for (size_t i = 0; i < rows.size(); ++i) by_id[id_of(rows[i])] = &rows[i];
  size_t corrections = 0;
  for (const LoggedAnswer& logged : answers) {
    if (logged.request.stream != stream) continue;
    corrections += AnswerCheck(logged, edits, rows, by_id, reference, journal).run();
  }
  return corrections;
}

}  // namespace mana_sync::sim
