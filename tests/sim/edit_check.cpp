#include <algorithm>
#include <map>
#include <set>

#include "checks.h"
#include "mana_sync/base/timestamp.h"
#include "wire.h"

namespace mana_sync::sim {
namespace {

// Whether `entry` is `edit` as it was stored: at its time, or at its time of receipt (PROTOCOL 2.6,
// 2.7, 2.8, 5.7, 5.8).
bool is_stored_as(const MadeEdit& edit, const CellEntry& entry) {
  if (edit.client_id != entry.client_id) return false;
  const bool at_receipt = entry.is_receipt_timed &&
                          (!edit.time_ms || *edit.time_ms < entry.time_ms || edit.out_of_bounds);
  if (!at_receipt && edit.time_ms != entry.time_ms) return false;
  // A delete says the time that it was taken at.
  return edit.value == entry.value || (edit.is_delete && entry.is_delete && at_receipt);
}

// Whether `edit` lost to `entry`, or repeats it, or was replaced by it.
bool is_beaten_by(const MadeEdit& edit, const CellEntry& entry) {
  return entry.time_ms >= edit.time_ms.value_or(receipt_time_ms(edit.sent_after_us));
}

// The edits of one cell against what is stored of it.
class CellCheck {
 public:
  CellCheck(const CellId& id, const Reference::Cell& cell, std::vector<const MadeEdit*> edits,
            Journal& journal)
      : id_(id), cell_(cell), edits_(std::move(edits)), journal_(journal) {}

  void run() {
    for (const MadeEdit* edit : edits_) check_acknowledged(*edit);
    check_is_made();
    check_own_order();
    check_plain();
  }

 private:
  [[nodiscard]] bool is_stored(const MadeEdit& edit) const {
    return std::ranges::any_of(cell_.winners,
                               [&](const CellEntry& entry) { return is_stored_as(edit, entry); });
  }
  // Whether some edit's fate is unknown: it was sent by a device that forgot it before an answer
  // came, and may be stored or not.
  [[nodiscard]] bool is_uncertain() const {
    return std::ranges::any_of(
        edits_, [](const MadeEdit* edit) { return edit->was_sent && !edit->acknowledged_at_us; });
  }

  void check_acknowledged(const MadeEdit& edit) {
    if (!edit.acknowledged_at_us || is_replaced(edit) || edit.out_of_bounds) return;
    const bool is_there = std::ranges::any_of(cell_.winners, [&](const CellEntry& entry) {
      return entry.stamp_us <= *edit.acknowledged_at_us &&
             (is_stored_as(edit, entry) || is_beaten_by(edit, entry));
    });
    if (is_there || is_superseded(edit)) return;
    journal_.fail("2.1: {} = {} by {} at {} was acknowledged, and is neither stored nor lost",
                  id_.text(), edit.value, edit.client_id, edit.time_ms.value_or(0));
  }

  // Among edits of one push that look like those that made the winner, one without a time may pass
  // for a repeat (PROTOCOL 2.2). It makes no difference where its author's later edit counts.
  [[nodiscard]] bool is_superseded(const MadeEdit& edit) const {
    if (edit.time_ms) return false;
    return std::ranges::any_of(edits_, [&](const MadeEdit* other) {
      return other > &edit && other->client_id == edit.client_id && other->acknowledged_at_us &&
             std::ranges::any_of(cell_.winners, [&](const CellEntry& entry) {
               return is_stored_as(*other, entry);
             });
    });
  }

  // No value comes from nowhere.
  void check_is_made() {
    for (const CellEntry& entry : cell_.winners) {
      const bool is_made = std::ranges::any_of(
          edits_, [&](const MadeEdit* edit) { return is_stored_as(*edit, entry); });
      const bool is_said_by_server = entry.is_receipt_timed &&
                                     (id_.field == "updatedAt" || id_.field == "createdAt") &&
                                     entry.value == quoted_time(entry.time_ms);
      if (is_made || is_said_by_server) continue;
      journal_.fail("{} = {} by {} at {} is stored, and nobody made it", id_.text(), entry.value,
                    entry.client_id, entry.time_ms);
    }
  }

  // PROTOCOL 5.8: no receipt-timed edit stands against its author's later one.
  void check_own_order() {
    const CellEntry& winner = cell_.winner();
    if (!winner.is_receipt_timed || is_uncertain()) return;
    const MadeEdit* last = nullptr;
    for (const MadeEdit* edit : edits_) {
      if (edit->client_id == winner.client_id && edit->acknowledged_at_us) last = edit;
    }
    if (last == nullptr || is_replaced(*last) || is_stored_as(*last, winner)) return;
    journal_.fail("5.8: {} = {} by {}, taken at its receipt {}, stands against the later {} at {}",
                  id_.text(), winner.value, winner.client_id, winner.time_ms, last->value,
                  last->time_ms.value_or(0));
  }

  // Where all edits have their own times, those alone tell the winner (PROTOCOL 5.2): the latest,
  // of equal ones the first client to arrive, and of its own the last.
  void check_plain() {
    const auto is_receipt_timed = [](const CellEntry& entry) { return entry.is_receipt_timed; };
    if (is_uncertain() || std::ranges::any_of(cell_.winners, is_receipt_timed)) return;
    std::optional<int64_t> latest_ms;
    for (const MadeEdit* edit : edits_) {
      if (!edit->time_ms || edit->out_of_bounds) return;
      if (edit->acknowledged_at_us)
        latest_ms = std::max(latest_ms.value_or(INT64_MIN), *edit->time_ms);
    }
    if (!latest_ms) return;
    const auto first = std::ranges::find(cell_.winners, *latest_ms, &CellEntry::time_ms);
    if (first == cell_.winners.end()) {
      return journal_.fail("5.2: {}: the latest edit, at {}, is not stored", id_.text(),
                           *latest_ms);
    }
    const MadeEdit* expected = nullptr;
    for (const MadeEdit* edit : edits_) {
      if (edit->time_ms == latest_ms && edit->client_id == first->client_id &&
          edit->acknowledged_at_us) {
        expected = edit;
      }
    }
    if (expected != nullptr && expected->value == cell_.winner().value) return;
    journal_.fail("5.2: {} = {} by {} at {} is the winner, and should be {}", id_.text(),
                  cell_.winner().value, cell_.winner().client_id, cell_.winner().time_ms,
                  expected == nullptr ? "another" : expected->value);
  }

  const CellId& id_;
  const Reference::Cell& cell_;
  const std::vector<const MadeEdit*> edits_;
  Journal& journal_;
};

}  // namespace

void check_edits(size_t stream, const EditLog& edits, const Reference& reference,
                 Journal& journal) {
  std::map<CellId, std::vector<const MadeEdit*>> by_cell;
  for (const MadeEdit& edit : edits) {
    if (edit.stream == stream) by_cell[edit.cell].push_back(&edit);
  }
  for (auto& [id, of_cell] : by_cell) {
    if (const Reference::Cell* cell = reference.find(id)) {
      CellCheck(id, *cell, std::move(of_cell), journal).run();
      continue;
    }
    const auto acknowledged = std::ranges::find_if(
        of_cell, [](const MadeEdit* edit) { return edit->acknowledged_at_us.has_value(); });
    if (acknowledged == of_cell.end()) continue;
    journal.fail("2.1: {} = {} was acknowledged, and nothing is stored", id.text(),
                 (*acknowledged)->value);
  }
}

}  // namespace mana_sync::sim
