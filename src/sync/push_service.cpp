#include "push_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "broken_rule.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/probes.h"

namespace mana_sync::sync {
namespace {

// Whether `push` may be merged into a unit that others are in already.
bool may_join(const WaitingPush& push, const UnitInFlight& unit) {
  return !push.alone && !unit.pushes.front()->alone &&
         unit.unit.rows.size() < limits::kBatchRowsMax &&
         unit.bytes + push.bytes <= limits::kBatchBytesMax;
}

// Moves what `push` stores to the end of its unit's rows.
void add_rows(std::vector<ChangeRow>& unit_rows, WaitingPush& push) {
  std::vector<ChangeRow> rows = std::exchange(push.merged.rows, {});
  push.first_row = unit_rows.size();
  push.rows = rows.size();
  if (rows.empty()) return;
  push.own = {rows.front().stamp_us, rows.back().stamp_us};
  if (unit_rows.empty()) {
    unit_rows = std::move(rows);
  } else {
    unit_rows.insert(unit_rows.end(), rows.begin(), rows.end());
  }
}

// What a push takes until its outcome is known: its text as sent and as stored, the changes, and
// the names of the cells that may have to be looked up, as asked for and as sent to the store.
size_t bytes_of(const Changeset& changeset, size_t body_bytes) {
  size_t bytes = 2 * body_bytes + 2 * changeset.edit_names_bytes;
  for (const Change& change : changeset.changes) {
    bytes += sizeof(Change) + sizeof(ChangeRow) + change.edits.size() * sizeof(Edit);
  }
  return bytes;
}

std::array<Counter*, kPushBoundCount> refused_counters(Metrics& metrics) {
  constexpr const char* kHelp =
      "Pushes that met a bound: too many wait, of their stream or of all, or too much, they waited "
      "too long, or the lease on time ran out";
  // In the order of PushBound.
  constexpr std::array kBounds{"stream", "all", "bytes", "time", "lease"};
  std::array<Counter*, kPushBoundCount> counters;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    counters[i] = &metrics.counter("mana_sync_pushes_refused_total", kHelp,
                                   fmt::format("bound=\"{}\"", kBounds[i]));
  }
  return counters;
}

}  // namespace

PushService::PushService(const MergeOptions& options, const Clock& clock, StorePort& store,
                         StreamCache& cache, Stamps& stamps, PullService& pulls, Hub& hub,
                         Metrics& metrics)
    : options_(options),
      clock_(clock),
      store_(store),
      cache_(cache),
      stamps_(stamps),
      pulls_(pulls),
      hub_(hub),
      loader_(clock, store, cache, metrics),
      reader_(metrics.counter("mana_sync_sanitized_characters_total",
                              "Characters that PostgreSQL cannot hold, stored as U+FFFD")),
      ids_(random_seed()),
      clamped_(metrics.counter("mana_sync_clamped_edit_times_total",
                               "Edit times too far in the future, taken as the time of receipt")),
      lookups_(metrics.counter("mana_sync_lookups_total",
                               "Pushes that needed stored values to be merged")),
      conflicts_(metrics.counter("mana_sync_conflicts_total",
                                 "Edits that lost to another client's and were reported")),
      corrections_(metrics.counter("mana_sync_corrections_total",
                                   "Winners that were sent to the clients of lost edits, a record "
                                   "each")),
      stored_changes_(metrics.counter("mana_sync_changes_stored_total", "Changes committed")),
      refused_(refused_counters(metrics)),
      waiting_gauge_(metrics.gauge("mana_sync_waiting_pushes",
                                   "Pushes that wait for their stream or their commit")) {}

PushService::~PushService() = default;

void PushService::push(PushRequest request, AnswerCallback done) {
  const size_t body_bytes = request.body.size();
  Result<Changeset> changeset = reader_.read(request.body);
  if (!changeset) return done(std::unexpected(std::move(changeset.error())));
  if (request.client_id) changeset->client_id = std::move(*request.client_id);
  if (changeset->changes.empty()) {
    return pulls_.pull(delta_for(std::move(request.stream), *changeset), std::move(done));
  }
  const size_t bytes = bytes_of(*changeset, body_bytes);
  if (const auto bound = find_bound(request.stream, bytes)) {
    count(*bound);
    return done(fail(ErrorCode::kUnavailable, std::string(kTooBusy)));
  }
  auto push = std::make_unique<WaitingPush>();
  push->stream = std::move(request.stream);
  push->changeset = std::move(*changeset);
  push->done = std::move(done);
  push->bytes = bytes;
  enqueue(std::move(push));
}

void PushService::enqueue(std::unique_ptr<WaitingPush> push) {
  push->deadline_ns = clock_.steady_ns() + limits::kRequestDeadlineMs * 1'000'000;
  ++waiting_;
  waiting_bytes_ += push->bytes;
  Stream& stream = cache_.get(push->stream);
  cache_.count(stream.state == Stream::State::kReady);
  stream.queue.push_back(std::move(push));
  schedule(stream);
}

std::optional<PushBound> PushService::find_bound(const StreamName& name, size_t bytes) {
  const Stream* stream = cache_.find(name);
  if (stream != nullptr && stream->queue.size() >= limits::kStreamQueuePushesMax) {
    return PushBound::kStream;
  }
  if (waiting_ >= limits::kWaitingPushesMax) return PushBound::kAll;
  // A single push always fits.
  const bool fits = waiting_ == 0 || waiting_bytes_ + bytes <= limits::kWaitingPushBytesMax;
  return fits ? std::nullopt : std::optional(PushBound::kBytes);
}

void PushService::schedule(Stream& stream) {
  if (stream.busy || stream.scheduled) return;
  stream.scheduled = true;
  scheduled_.push_back(&stream);
}

void PushService::run() {
  edits_left_ = limits::kMergedEditsPerTickMax;
  // A step that needs nothing of the store schedules the next one.
  while (is_due() && edits_left_ > 0) {
    due_.swap(scheduled_);
    auto next = due_.begin();
    for (; next != due_.end() && edits_left_ > 0; ++next) {
      (*next)->scheduled = false;
      if (!(*next)->busy) advance(**next);
    }
    scheduled_.insert(scheduled_.begin(), next, due_.end());
    due_.clear();
  }
  waiting_gauge_.set(static_cast<int64_t>(waiting_));
}

void PushService::advance(Stream& stream) {
  const bool idle = stream.queue.empty();
  cache_.account(stream);  // may forget it if it is idle
  if (idle) return;
  if (stream.state == Stream::State::kReady) {
    start_unit(stream);
  } else {
    start_load(stream);
  }
}

// --- A stream's first push reads the whole stream -----------------------------------------------

void PushService::start_load(Stream& stream) {
  stream.busy = true;
  loader_.load(stream,
               [this, &stream](Result<void> result) { on_loaded(stream, std::move(result)); });
}

void PushService::on_loaded(Stream& stream, Result<void> result) {
  if (result) {
    stream.state = Stream::State::kReady;
  } else {
    cache_.forget(stream);
    refuse_all(stream, result.error());
  }
  become_idle(stream);
}

// --- What waits is merged and committed as one unit ---------------------------------------------

void PushService::start_unit(Stream& stream) {
  stream.busy = true;
  auto unit = std::make_unique<UnitInFlight>(stream.cells);
  while (!stream.queue.empty()) {
    WaitingPush& push = *stream.queue.front();
    if (clock_.steady_ns() >= push.deadline_ns) {
      count(PushBound::kTime);
      refuse(take_first(stream), ErrorCode::kUnavailable, kTooBusy);
      continue;
    }
    if (!unit->pushes.empty() && (edits_left_ <= 0 || !may_join(push, *unit))) break;
    edits_left_ -= static_cast<ptrdiff_t>(push.changeset.edits.size());
    if (!push.asked && push.restated.empty()) {
      Unknowns unknowns = find_unknowns(push.changeset, unit->overlay);
      if (!unknowns.empty()) {
        // The store can only tell what is committed: first this unit, then the question.
        if (!unit->pushes.empty()) break;
        return start_lookup(stream, push, std::move(unknowns));
      }
    }
    if (!stamps_.reserve(push.changes())) {
      count(PushBound::kLease);
      refuse(take_first(stream), ErrorCode::kUnavailable, "the lease on time has run out");
      continue;
    }
    merge_into(stream, *unit, take_first(stream));
  }
  submit_commit(stream, std::move(unit));
}

void PushService::merge_into(Stream& stream, UnitInFlight& unit,
                             std::unique_ptr<WaitingPush> push) {
  probes::merge_start(push->changes());
  push->merged = push->restated.empty() ? merge(push->changeset, push->facts, unit.overlay, stamps_,
                                                ids_, options_, {.clamped = clamped_})
                                        : restate(*push, unit.overlay);
  probes::merge_done(push->changes(), push->merged.rows.size());
  add_rows(unit.unit.rows, *push);
  // From here on no cursor passes the unit, not even one for a pull that an answer to another push
  // sets off before the unit is handed to the store.
  if (!unit.unit.rows.empty()) stream.first_in_flight_us = unit.unit.rows.front().stamp_us;
  unit.bytes += push->bytes;
  unit.pushes.push_back(std::move(push));
}

// Winners as rows of no client: what was said of their cells holds, and pages bring them to all.
// One that is none any more is left out: the change that took its place comes after the answer's
// cursor, or stood in the answer.
Merged PushService::restate(WaitingPush& push, const CellOverlay& cells) {
  Merged merged;
  for (Correction& correction : push.restated) {
    std::erase_if(correction.cells, [&](const CorrectedCell& corrected) {
      const std::optional<Cell> cell = cells.find(corrected.key);
      return !cell || cell->time_ms != corrected.time_ms ||
             (cell->value_hash != 0 && cell->value_hash != corrected.value_hash);
    });
    if (correction.cells.empty()) continue;
    ChangeRow& row = merged.rows.emplace_back(correction_row(correction, merged.texts));
    row.stamp_us = stamps_.next();
    row.event_id = ids_.next(row.stamp_us);
  }
  return merged;
}

void PushService::submit_commit(Stream& stream, std::unique_ptr<UnitInFlight> unit) {
  unit->unit.stream = &stream.name;
  const bool stores_nothing = unit->unit.rows.empty();
  if (kBrokenRule == BrokenRule::kNotifyEarly) publish(*unit);
  stream.unit = std::move(unit);
  if (stores_nothing) return on_committed(stream, CommitOutcome::kCommitted, {});
  store_.commit(stream.unit->unit, [this, &stream](CommitOutcome outcome, std::string_view reason) {
    on_committed(stream, outcome, reason);
  });
}

void PushService::on_committed(Stream& stream, CommitOutcome outcome, std::string_view reason) {
  const std::unique_ptr<UnitInFlight> unit = std::move(stream.unit);
  stream.first_in_flight_us = 0;
  auto waiting_pulls = std::exchange(stream.waiting_pulls, {});
  switch (outcome) {
    case CommitOutcome::kCommitted:
      stored_changes_.add(static_cast<int64_t>(unit->unit.rows.size()));
      std::move(unit->overlay).apply_to(stream.cells);
      remember_rows(stream, *unit);
      if (kBrokenRule != BrokenRule::kNotifyEarly) publish(*unit);
      for (auto& push : unit->pushes) answer_stored(stream, std::move(push));
      break;
    case CommitOutcome::kRefused:
      if (unit->pushes.size() > 1) {
        retry_one_by_one(stream, *unit);
      } else {
        refuse(std::move(unit->pushes.front()), ErrorCode::kInvalid, reason);
      }
      break;
    case CommitOutcome::kUnknown:
      // What really happened is read again.
      cache_.forget(stream);
      // If it is stored, its repeat stores nothing: nobody would be told later (PROTOCOL 6.2).
      if (kBrokenRule != BrokenRule::kNotifyUnknown) publish(*unit);
      refuse_all_of(*unit, reason);
      break;
    case CommitOutcome::kFailed:
      if (kBrokenRule == BrokenRule::kOverlay) std::move(unit->overlay).apply_to(stream.cells);
      refuse_all_of(*unit, reason);
      break;
  }
  for (auto& pull : waiting_pulls) pull();
  become_idle(stream);
}

void PushService::remember_rows(Stream& stream, const UnitInFlight& unit) {
  for (const ChangeRow& row : unit.unit.rows) cache_.append(stream, row);
  // A restated winner changes no cell, but where its client has no id either: that cell is no
  // longer receipt-timed, in the table and so here (PROTOCOL 5.8).
  for (const auto& push : unit.pushes) {
    if (push->restated.empty()) continue;
    for (const ChangeRow& row : unit.rows_of(*push)) stream.apply(row);
  }
}

void PushService::publish(const UnitInFlight& unit) {
  for (const auto& push : unit.pushes) hub_.publish(*unit.unit.stream, unit.rows_of(*push));
}

// Only the push that PostgreSQL refused is to fail: they are merged again, each for itself.
void PushService::retry_one_by_one(Stream& stream, UnitInFlight& unit) {
  for (auto push = unit.pushes.rbegin(); push != unit.pushes.rend(); ++push) {
    (*push)->alone = true;
    (*push)->merged = {};
    (*push)->own = {};
    stream.queue.push_front(std::move(*push));
  }
}

// --- Refusals -----------------------------------------------------------------------------------

void PushService::refuse(std::unique_ptr<WaitingPush> push, ErrorCode code, std::string_view why) {
  release(push->bytes);
  push->done(fail(code, std::string(why)));
}

void PushService::refuse_all_of(UnitInFlight& unit, std::string_view why) {
  for (auto& push : unit.pushes) refuse(std::move(push), ErrorCode::kUnavailable, why);
}

void PushService::refuse_all(Stream& stream, const Error& why) {
  while (!stream.queue.empty()) refuse(take_first(stream), why.code, why.message);
}

std::unique_ptr<WaitingPush> PushService::take_first(Stream& stream) {
  std::unique_ptr<WaitingPush> push = std::move(stream.queue.front());
  stream.queue.pop_front();
  return push;
}

void PushService::release(size_t bytes) {
  --waiting_;
  waiting_bytes_ -= bytes;
}

void PushService::become_idle(Stream& stream) {
  stream.busy = false;
  if (stream.outdated) {
    stream.outdated = false;
    cache_.forget(stream);
    // Who was told of the gap could not read beyond what was in flight.
    hub_.note_gap();
  }
  schedule(stream);
}

}  // namespace mana_sync::sync
