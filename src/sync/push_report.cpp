#include "push_report.h"

#include <absl/container/flat_hash_map.h>

#include <utility>

#include "change_format.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

// The winners of the disputed cells, in order; nullopt where none was found.
std::vector<std::optional<CorrectedCell>> winners_of(const Merged& merged,
                                                     std::vector<std::optional<StoredCell>> found,
                                                     JsonTree& scratch) {
  std::vector<std::optional<CorrectedCell>> winners;
  winners.reserve(merged.disputed.size());
  auto next_found = found.begin();
  for (const DisputedCell& cell : merged.disputed) {
    std::optional<CorrectedCell>& winner = winners.emplace_back();
    if (cell.winner) {
      winner = {.key = cell.key,
                .field = std::string(cell.field),
                .value = std::string(cell.winner->value),
                .time_ms = cell.winner->time_ms,
                .client_id = {}};
    } else if (std::optional<StoredCell>& stored = *next_found++) {
      const int64_t time_ms =
          stored_time_ms(stored->edit_time).value_or(receipt_time_ms(stored->stamp_us));
      winner = {.key = cell.key,
                .field = std::string(cell.field),
                .value = {},
                .time_ms = time_ms,
                .stamp_us = stored->stamp_us,
                .client_id = std::move(stored->client_id)};
      append_minified(winner->value, stored->value);
    }
    if (winner) winner->value_hash = scratch.hash_of(winner->value);
  }
  return winners;
}

// The list of conflicts, up to its bounds (PROTOCOL 5.6).
class ConflictList {
 public:
  void add(const Change& change, const LostEdit& lost, const CorrectedCell& winner) {
    ++count_;
    if (listed_ == limits::kConflictsMax) return;
    const size_t names = change.table.size() + change.record.size() + winner.field.size();
    for (const bool with_values : {true, false}) {
      // At least; no text is made that cannot fit.
      const size_t bytes = names + (with_values ? lost.value.size() + winner.value.size() : 0);
      if (text_.size() + bytes > limits::kConflictsBytesMax) continue;
      std::string entry = entry_of(change, lost, winner, with_values);
      if (text_.size() + entry.size() + 1 > limits::kConflictsBytesMax) continue;
      if (listed_++ > 0) text_ += ',';
      text_ += entry;
      return;
    }
  }
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  static std::string entry_of(const Change& change, const LostEdit& lost,
                              const CorrectedCell& winner, bool with_values) {
    std::string entry = "{\"table\":";
    append_json_string(entry, change.table);
    entry += ",\"id\":";
    append_json_string(entry, change.record);
    entry += ",\"field\":";
    append_json_string(entry, winner.field);
    if (with_values) {
      entry += ",\"clientValue\":";
      entry += lost.value;
    }
    entry += ",\"clientTimestamp\":\"";
    append_time_ms(entry, lost.time_ms);
    entry += '"';
    if (with_values) {
      entry += ",\"serverValue\":";
      entry += winner.value;
    }
    entry += ",\"serverTimestamp\":\"";
    append_time_ms(entry, winner.time_ms);
    entry += "\"}";
    return entry;
  }

  std::string text_;
  size_t count_ = 0;
  size_t listed_ = 0;
};

std::vector<Correction> corrections_of(const Changeset& changeset, const Merged& merged,
                                       std::vector<std::optional<CorrectedCell>> winners,
                                       UuidGenerator& ids, int64_t now_us) {
  std::vector<Correction> corrections;
  absl::flat_hash_map<std::pair<std::string_view, std::string_view>, size_t> by_record;
  for (size_t i = 0; i < winners.size(); ++i) {
    if (!winners[i] || !merged.disputed[i].is_told) continue;
    const Change& change = changeset.changes[merged.disputed[i].change];
    const auto [found, added] =
        by_record.try_emplace({change.table, change.record}, corrections.size());
    if (added) {
      corrections.push_back({.event_id = ids.next(now_us),
                             .table = std::string(change.table),
                             .record = std::string(change.record),
                             .cells = {}});
    }
    corrections[found->second].cells.push_back(std::move(*winners[i]));
  }
  return corrections;
}

}  // namespace

std::vector<CellName> cells_to_look_up(const Changeset& changeset, const Merged& merged,
                                       const CellTable& cells) {
  std::vector<CellName> names;
  for (const DisputedCell& disputed : merged.disputed) {
    if (disputed.winner) continue;
    const Change& change = changeset.changes[disputed.change];
    CellName& name = names.emplace_back(std::string(change.table), std::string(change.record),
                                        std::string(disputed.field));
    if (const auto winner = cells.find(disputed.key)) name.time_ms = winner->time_ms;
  }
  return names;
}

PushReport make_report(const Changeset& changeset, const Merged& merged,
                       std::vector<std::optional<StoredCell>> found, JsonTree& scratch,
                       UuidGenerator& ids, int64_t now_us) {
  PushReport report;
  auto winners = winners_of(merged, std::move(found), scratch);
  ConflictList conflicts;
  for (const LostEdit& lost : merged.lost) {
    const std::optional<CorrectedCell>& winner = winners[lost.disputed];
    if (lost.to_own || !winner || winner->value_hash == lost.value_hash) continue;
    conflicts.add(changeset.changes[lost.change], lost, *winner);
  }
  report.conflict_count = conflicts.count();
  report.conflicts = std::move(conflicts).text();
  report.corrections = corrections_of(changeset, merged, std::move(winners), ids, now_us);
  return report;
}

ChangeRow correction_row(const Correction& correction, KeptTexts& texts) {
  std::string data = "{";
  std::string times = "{";
  for (const CorrectedCell& cell : correction.cells) {
    for (std::string* members : {&data, &times}) {
      if (members->size() > 1) *members += ',';
      append_json_string(*members, cell.field);
      *members += ':';
    }
    data += cell.value;
    times += '"';
    append_time_ms(times, cell.time_ms);
    times += '"';
  }
  data += '}';
  times += '}';
  return {.event_id = correction.event_id,
          .op = Op::kUpdate,
          .table = correction.table,
          .record = correction.record,
          .data = texts.keep(data),
          .field_timestamps = texts.keep(times)};
}

}  // namespace mana_sync::sync
