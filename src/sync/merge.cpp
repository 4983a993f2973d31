#include "mana_sync/sync/merge.h"

#include <absl/container/flat_hash_set.h>
#include <absl/container/inlined_vector.h>

#include <algorithm>
#include <optional>
#include <span>

#include "broken_rule.h"
#include "json_tree.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "repeats.h"

namespace mana_sync::sync {
namespace {

constexpr std::string_view kCreatedAt = "createdAt";

// An edit on its way through the rules.
struct Candidate {
  const Edit* edit;
  CellKey key;
  int64_t time_ms;  // that it is taken at
  bool receipt_timed;
  uint64_t value_hash;
  std::string_view value;
  bool is_delete = false;
  // What an insert without an edit time is recognized by later (stored_insert.h): stored even where
  // this client's insert just before it, in the same millisecond, said the same.
  bool tells_receipt = false;
  // Of the winner that it met: there was one, of this client or another.
  bool met_own = false;
  bool met_another = false;
  bool goes_back = false;  // to its author, as a correction (Cell::goes_back)
};

enum class Verdict { kWins, kRepeat, kLost };

class Merger {
 public:
  Merger(const Changeset& changeset, const MergeFacts& facts, CellOverlay& cells, Stamps& stamps,
         UuidGenerator& ids, const MergeOptions& options, MergeCounters counters)
      : changeset_(changeset),
        facts_(facts),
        cells_(cells),
        stamps_(stamps),
        ids_(ids),
        options_(options),
        counters_(counters),
        client_(client_hash(changeset.client_id)) {}

  Merged run() && {
    merged_.rows.reserve(changeset_.changes.size());
    cells_.reserve(changeset_.edits.size());
    text_.reserve(kRowTextReserved);
    find_repeats();
    for (size_t i = 0; i < changeset_.changes.size(); ++i) merge_change(i);
    return std::move(merged_);
  }

 private:
  // Marks, for each cell whose winner came from this client and stands in this push, the push's
  // edits of that cell up to it: repeats (PROTOCOL 2.2).
  void find_repeats() {
    size_t ordinal = 0;
    for (const Change& change : changeset_.changes) {
      for (const Edit& edit : change.edits) {
        ++ordinal;
        const CellKey key = cell_key(change.table, change.record, edit.field);
        const std::optional<Cell> winner = cells_.find(key);
        if (!winner || winner->client != client_) continue;
        if (!may_have_made(*winner, edit.time_ms)) continue;
        if (value_hash_at(change, edit, winner->time_ms) != winner->value_hash) continue;
        repeated_up_to_[key] = {ordinal, winner->time_ms};
      }
      // What an insert without a time was given to say stands in the push by that insert.
      if (is_timeless_insert(change)) {
        const CellKey key = cell_key(change.table, change.record, kUpdatedAt);
        const std::optional<Cell> winner = cells_.find(key);
        if (!winner || winner->client != client_ || !winner->receipt_timed) continue;
        if (winner->value_hash != hash_of_string(format_time_ms(winner->time_ms))) continue;
        repeated_up_to_[key] = {ordinal, winner->time_ms};
      }
    }
  }

  // A delete's value is the time that it is taken at (PROTOCOL 2.8).
  static uint64_t value_hash_at(const Change& change, const Edit& edit, int64_t time_ms) {
    return change.op == Op::kDelete ? hash_of_string(format_time_ms(time_ms)) : edit.value_hash;
  }

  void merge_change(size_t index) {
    const Change& change = changeset_.changes[index];
    const size_t first_ordinal = ordinal_ + 1;
    ordinal_ += change.edits.size();
    const bool timeless_insert = is_timeless_insert(change);
    if (timeless_insert && is_repeated_insert(change, index)) return note_repeated_insert(index);

    if (!stamp_) stamp_ = stamps_.next();
    receipt_ms_ = receipt_time_ms(*stamp_);
    make_candidates(change);
    const int64_t own_time_ms = candidates_.empty() ? 0 : candidates_.front().time_ms;

    size_t won = 0;  // they move to the front
    for (size_t i = 0; i < candidates_.size(); ++i) {
      Candidate& candidate = candidates_[i];
      // The edit that an insert without a time gets here has no place in the push as sent.
      const bool as_sent = i < change.edits.size();
      const bool repeated = as_sent && !timeless_insert &&
                            is_repeated(candidate.key, change.edits[i], first_ordinal + i);
      switch (repeated ? Verdict::kRepeat : judge(candidate)) {
        case Verdict::kWins:
          note_win(index, candidate);
          candidates_[won++] = candidate;
          break;
        case Verdict::kLost:
          if (as_sent) note_loss(index, i, candidate);
          break;
        case Verdict::kRepeat:
          note_repeat(index, candidate.edit->field, candidate.key);
          break;
      }
    }
    if (won == 0) return;
    const std::span<const Candidate> winners = std::span(candidates_).first(won);
    const bool whole =
        won == candidates_.size() && std::ranges::all_of(winners, [&](const Candidate& winner) {
          return winner.time_ms == own_time_ms;
        });
    store(change, winners, whole);
  }

  // An edit later than the winner is none: had it come before, it would be the winner.
  [[nodiscard]] bool is_repeated(const CellKey& key, const Edit& edit, size_t ordinal) const {
    const auto found = repeated_up_to_.find(key);
    return found != repeated_up_to_.end() && ordinal <= found->second.ordinal &&
           !(edit.time_ms && *edit.time_ms > found->second.time_ms);
  }

  // An insert without a time is a repeat as a whole or not at all: what is stored of it must be
  // recognized later. It is one where it is stored already, or stands twice in this push.
  bool is_repeated_insert(const Change& change, size_t index) {
    if (std::ranges::binary_search(facts_.repeated_inserts, index)) return true;
    Hash128 identity = cell_key(change.table, change.record, {});
    for (const Edit& edit : change.edits) {  // in any order
      if (edit.field == kUpdatedAt) continue;
      identity.low += hash64(edit.field, edit.value_hash);
      identity.high += hash64(edit.field, ~edit.value_hash);
    }
    return !inserts_seen_.insert(identity).second;
  }

  // Of the change's edits, with the times that they are taken at.
  void make_candidates(const Change& change) {
    candidates_.clear();
    candidates_.reserve(change.edits.size() + 1);
    for (const Edit& edit : change.edits) {
      const bool too_late =
          edit.time_ms && *edit.time_ms > receipt_ms_ + options_.clock_skew_ms_max;
      const bool receipt_timed = !edit.time_ms || too_late;
      const int64_t time_ms = receipt_timed ? receipt_ms_ : *edit.time_ms;
      // All edits of an insert share one time, which counts once.
      if (too_late && (change.op != Op::kInsert || candidates_.empty())) counters_.clamped.add();
      candidates_.push_back({&edit, cell_key(change.table, change.record, edit.field), time_ms,
                             receipt_timed, edit.value_hash, edit.value});
      if (change.op == Op::kDelete) {
        candidates_.back().is_delete = true;
        say_time(candidates_.back(), time_ms);
      }
    }
    if (change.op == Op::kInsert) say_insert_time(change);
  }

  // An insert that is taken at its time of receipt says so in its data (PROTOCOL 2.7, 5.7).
  void say_insert_time(const Change& change) {
    if (!candidates_.empty() && !candidates_.front().receipt_timed) return;
    const std::string_view field =
        change.insert_time == InsertTime::kCreatedAt ? kCreatedAt : kUpdatedAt;
    auto said = std::ranges::find_if(
        candidates_, [&](const Candidate& candidate) { return candidate.edit->field == field; });
    if (said == candidates_.end()) {
      candidates_.push_back({&kInsertTimeEdit,
                             cell_key(change.table, change.record, field),
                             receipt_ms_,
                             true,
                             0,
                             {}});
      said = candidates_.end() - 1;
    }
    say_time(*said, receipt_ms_);
    said->tells_receipt = change.insert_time == InsertTime::kNone;
  }

  void say_time(Candidate& candidate, int64_t time_ms) {
    const std::string time = format_time_ms(time_ms);
    candidate.value_hash = hash_of_string(time);
    candidate.value = merged_.texts.keep('"' + time + '"');
  }

  Verdict judge(Candidate& candidate) {
    const std::optional<Cell> winner = cells_.find(candidate.key);
    if (winner) {
      const bool own = winner->client == client_;
      candidate.met_own = own;
      candidate.met_another = !own;
      if (own && winner->receipt_timed && candidate.time_ms < winner->time_ms &&
          kBrokenRule != BrokenRule::kReceipt) {
        candidate.time_ms = receipt_ms_;  // PROTOCOL 5.8
        if (candidate.is_delete) say_time(candidate, receipt_ms_);
      }
      const bool same_time = candidate.time_ms == winner->time_ms;
      if (same_time && candidate.value_hash == winner->value_hash &&
          !(own && candidate.tells_receipt)) {
        return Verdict::kRepeat;
      }
      const bool wins = candidate.time_ms > winner->time_ms ||
                        (same_time && (own || kBrokenRule == BrokenRule::kTie));
      if (!wins) return Verdict::kLost;
    }
    // An edit that claims its very time of receipt counts as receipt-timed as well: in the table
    // the two look alike, and memory must not know more (PROTOCOL 5.8).
    Cell cell{candidate.time_ms, client_, candidate.value_hash, candidate.time_ms == receipt_ms_};
    follow(cell, winner);
    cells_.set(candidate.key, cell);
    candidate.goes_back = cell.goes_back;
    repeated_up_to_.erase(candidate.key);  // what follows is judged against the new winner
    return Verdict::kWins;
  }

  void note_loss(size_t change, size_t edit, const Candidate& candidate) {
    merged_.lost.push_back({.change = change,
                            .edit = edit,
                            .value = candidate.value,
                            .value_hash = candidate.value_hash,
                            .time_ms = candidate.time_ms,
                            .to_own = candidate.met_own,
                            .disputed = dispute(change, candidate.edit->field, candidate.key)});
  }

  void note_win(size_t change, const Candidate& candidate) {
    if (candidate.goes_back) dispute(change, candidate.edit->field, candidate.key);
    if (disputed_.empty()) return;
    if (const auto found = disputed_.find(candidate.key); found != disputed_.end()) {
      DisputedCell& cell = merged_.disputed[found->second];
      cell.winner = {.value = candidate.value, .time_ms = candidate.time_ms};
      cell.is_told = candidate.goes_back;
    }
  }

  size_t dispute(size_t change, std::string_view field, const CellKey& key) {
    const auto [found, added] = disputed_.try_emplace(key, merged_.disputed.size());
    if (added) merged_.disputed.push_back({.key = key, .change = change, .field = field});
    merged_.disputed[found->second].is_told = true;
    return found->second;
  }

  // What went back the first time goes back again: that answer may have been lost. Any other is
  // like one that wins now.
  void note_repeat(size_t change, std::string_view field, const CellKey& key) {
    const std::optional<Cell> winner = cells_.find(key);
    if (!winner || winner->client != client_) return;
    if (winner->goes_back) {
      dispute(change, field, key);
    } else if (const auto found = disputed_.find(key); found != disputed_.end()) {
      merged_.disputed[found->second].is_told = false;
    }
  }

  void note_repeated_insert(size_t index) {
    const Change& change = changeset_.changes[index];
    for (const Edit& edit : change.edits) {
      note_repeat(index, edit.field, cell_key(change.table, change.record, edit.field));
    }
  }

  // Makes the row. `whole`: nothing of the change was lost, and it has one time.
  void store(const Change& change, std::span<const Candidate> winners, bool whole) {
    ChangeRow row;
    row.stamp_us = *std::exchange(stamp_, std::nullopt);
    row.event_id = ids_.next(row.stamp_us);
    row.op = change.op == Op::kInsert && !whole ? Op::kUpdate : change.op;
    row.table = change.table;
    row.record = change.record;
    row.client_id = changeset_.client_id;
    row.schema_version = change.schema_version;
    row.actor = change.actor;
    row.origin = change.origin;
    row.space_id = change.space_id;
    row.data = data_of(change, winners, row.op);
    row.field_timestamps = timestamps_of(winners);
    merged_.rows.push_back(row);
  }

  std::string_view data_of(const Change& change, std::span<const Candidate> winners, Op op) {
    std::string& data = text_;
    data = "{";
    if (op == Op::kInsert && !change.insert_id.empty()) {
      data += "\"id\":";
      data += change.insert_id;
    }
    for (const Candidate& winner : winners) {
      if (data.size() > 1) data += ',';
      append_json_string(data, winner.edit->field);
      data += ':';
      data += winner.value;
    }
    data += '}';
    return merged_.texts.keep(data);
  }

  std::string_view timestamps_of(std::span<const Candidate> winners) {
    std::string& timestamps = text_;
    timestamps = "{";
    for (const Candidate& winner : winners) {
      if (timestamps.size() > 1) timestamps += ',';
      append_json_string(timestamps, winner.edit->field);
      timestamps += ":\"";
      append_time_ms(timestamps, winner.time_ms);
      timestamps += '"';
    }
    timestamps += '}';
    return merged_.texts.keep(timestamps);
  }

  static constexpr Edit kInsertTimeEdit{.field = kUpdatedAt, .value = {}};
  static constexpr size_t kRowTextReserved = 240;

  const Changeset& changeset_;
  const MergeFacts& facts_;
  CellOverlay& cells_;
  Stamps& stamps_;
  UuidGenerator& ids_;
  const MergeOptions& options_;
  MergeCounters counters_;
  const uint64_t client_;

  // The last edit of a cell in the push that says what the winner says, and the winner's time.
  struct Repeated {
    size_t ordinal;  // edits are numbered through the push, from 1
    int64_t time_ms;
  };
  absl::flat_hash_map<CellKey, Repeated> repeated_up_to_;
  absl::flat_hash_set<Hash128> inserts_seen_;
  absl::flat_hash_map<CellKey, size_t> disputed_;  // places in merged_.disputed
  size_t ordinal_ = 0;
  std::optional<int64_t> stamp_;                  // taken, and no row has it yet
  int64_t receipt_ms_ = 0;                        // of the change under way
  absl::InlinedVector<Candidate, 4> candidates_;  // likewise
  std::string text_;                              // scratch
  Merged merged_;
};

}  // namespace

Merged merge(const Changeset& changeset, const MergeFacts& facts, CellOverlay& cells,
             Stamps& stamps, UuidGenerator& ids, const MergeOptions& options,
             MergeCounters counters) {
  return Merger(changeset, facts, cells, stamps, ids, options, counters).run();
}

}  // namespace mana_sync::sync
