#include "group_commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <limits>
#include <utility>

#include "batch_params.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/probes.h"
#include "reasons.h"

namespace mana_sync::store {

using std::chrono::milliseconds;
using sync::CommitOutcome;

namespace {

// A unit may have more rows than a batch gathers.
constexpr std::array<int64_t, 14> kBatchBounds = {1,   2,   4,   8,     16,    32,    64,
                                                  128, 256, 512, 1'024, 2'048, 4'096, 16'384};
static_assert(limits::kBatchRowsMax <= 4'096);

constexpr std::array<int64_t, 15> kCommitBoundsNs = {
    250'000,     500'000,       1'000'000,     2'500'000,      5'000'000,
    10'000'000,  25'000'000,    50'000'000,    100'000'000,    250'000'000,
    500'000'000, 1'000'000'000, 2'500'000'000, 10'000'000'000, 30'000'000'000};

}  // namespace

GroupCommit::GroupCommit(net::Loop& loop, const Lease& lease, const std::string& url,
                         int connections, Events events)
    : loop_(loop),
      lease_(lease),
      events_(std::move(events)),
      batch_units_(loop.metrics().histogram("mana_sync_batch_units", "Units of committed batches.",
                                            kBatchBounds)),
      batch_rows_(loop.metrics().histogram("mana_sync_batch_rows", "Rows of committed batches.",
                                           kBatchBounds)),
      commit_duration_(loop.metrics().histogram(
          "mana_sync_commit_duration_seconds",
          "Time from when a batch was sent to when PostgreSQL had committed it.", kCommitBoundsNs,
          "", Measure::kNanoseconds)),
      commit_retries_total_(loop.metrics().counter("mana_sync_commit_retries_total",
                                                   "Batches whose units had to be sent again.")),
      commits_expired_total_(loop.metrics().counter("mana_sync_commits_expired_total",
                                                    "Units that were not committed in time.")),
      write_queue_units_(loop.metrics().gauge("mana_sync_write_queue_units",
                                              "Units that wait for a batch or for its answer.")) {
  for (int i = 0; i < connections; ++i) {
    lanes_.emplace_back().connection = std::make_unique<PgConnection>(
        loop, PgConnection::Options{
                  .label = fmt::format("write-{}", i + 1),
                  .url = url,
                  .prepare = {&statements::lock_batch(), &statements::insert_batch(),
                              &statements::insert_batch_again()},
                  .answer_timeout_ms = limits::kRequestDeadlineMs,
                  .on_up = events_.on_change,
                  .on_down = events_.on_change,
              });
  }
}

void GroupCommit::open() {
  for (Lane& lane : lanes_) lane.connection->open();
}

void GroupCommit::close() {
  loop_.cancel(expiry_timer_);
  for (Lane& lane : lanes_) lane.connection->close();
}

bool GroupCommit::is_up() const {
  return std::ranges::any_of(lanes_, [](const Lane& lane) { return lane.connection->is_up(); });
}

// --- Gathering: a unit joins the queue of its stream's lane, and at the end of the tick, what
// waits there leaves as one batch.

void GroupCommit::commit(const sync::CommitUnit& unit, sync::CommitCallback done) {
  MANA_CHECK(unit.stream != nullptr && !unit.rows.empty());
  Lane& lane = lane_of(*unit.stream);
  lane.queue.push_back({
      .rows = &unit,
      .done = std::move(done),
      .deadline_ns = loop_.clock().steady_ns() + limits::kRequestDeadlineMs * 1'000'000,
      .epoch = lease_.term().epoch,
      .bytes = unit_bytes(unit),
  });
  lane.queued_rows += unit.rows.size();
  write_queue_units_.set(static_cast<int64_t>(++units_pending_));
  schedule_expiry();
}

GroupCommit::Lane& GroupCommit::lane_of(const sync::StreamName& stream) {
  return lanes_[hash64(stream.app_id, hash64(stream.user_id)) % lanes_.size()];
}

void GroupCommit::flush() {
  if (lease_.is_standby()) return give_up_all();
  for (Lane& lane : lanes_) {
    while (may_send(lane)) send(lane, take_batch(lane));
  }
}

// The policy. A batch costs an fsync however many rows it has: while one is in flight, the next
// gathers. Only a large one is sent behind it, so that PostgreSQL has it at hand when it has
// committed the first. (Sending every batch at once was faster on an idle machine and slower on a
// busy one, hardly beyond the noise; large units did not care.)
bool GroupCommit::may_send(const Lane& lane) const {
  if (lane.queue.empty() || !lane.connection->is_up()) return false;
  if (lane.retry_at_ns > loop_.clock().steady_ns()) return false;
  if (lane.in_flight.empty()) return true;
  return lane.in_flight.size() < limits::kBatchesInFlightMax &&
         lane.queued_rows >= limits::kSecondBatchRowsMin;
}

// The oldest units that fit into one batch; the first always does.
GroupCommit::Batch GroupCommit::take_batch(Lane& lane) {
  Batch batch;
  size_t rows = 0;
  size_t bytes = 0;
  do {
    Unit& unit = lane.queue.front();
    rows += unit.rows->rows.size();
    bytes += unit.bytes;
    const bool goes_alone = unit.goes_alone;
    lane.queued_rows -= unit.rows->rows.size();
    batch.units.push_back(std::move(unit));
    lane.queue.pop_front();
    if (goes_alone || lane.queue.empty() || lane.queue.front().goes_alone) break;
  } while (rows + lane.queue.front().rows->rows.size() <= limits::kBatchRowsMax &&
           bytes + lane.queue.front().bytes <= limits::kBatchBytesMax);
  return batch;
}

void GroupCommit::send(Lane& lane, Batch batch) {
  fail_stale_units(batch);
  if (batch.units.empty()) return;
  batch.epoch = lease_.term().epoch;
  std::vector<const sync::CommitUnit*> units;
  bool is_repeated = false;
  for (Unit& unit : batch.units) {
    units.push_back(unit.rows);
    batch.rows += unit.rows->rows.size();
    is_repeated |= std::exchange(unit.was_sent, true);
  }
  batch.sent_ns = loop_.clock().steady_ns();
  probes::commit_start(batch.units.size(), batch.rows);
  const std::array calls{
      Call{&statements::lock_batch(), {}},
      Call{is_repeated ? &statements::insert_batch_again() : &statements::insert_batch(),
           batch_params(batch.epoch, units)},
  };
  auto sent = lane.in_flight.emplace_back(std::make_shared<Batch>(std::move(batch)));
  lane.connection->submit(
      calls, [this, &lane, sent](const Answer& answer) { on_answer(lane, sent, answer); });
}

// --- The answer

void GroupCommit::on_answer(Lane& lane, const std::shared_ptr<Batch>& batch, const Answer& answer) {
  std::erase(lane.in_flight, batch);
  switch (answer.kind) {
    case Answer::Kind::kDone: {
      const PgResult& held = answer.results.back();
      if (held.rows() == 1 && held.boolean(0, 0)) return on_committed(lane, *batch);
      // The epoch rose meanwhile: nothing was stored. Until the lease knows who raised it, wait.
      if (lease_.is_waiting()) return give_up(batch->units, kTakenOver);
      return retry_later(lane, *batch);
    }
    case Answer::Kind::kFailed:
      return on_refused(lane, *batch, answer.sqlstate);
    case Answer::Kind::kLost:
      // Stored or not: sent again with the same row ids, it is stored once.
      for (Unit& unit : batch->units) unit.maybe_stored = true;
      return give_back(lane, *batch);
  }
}

void GroupCommit::on_committed(Lane& lane, Batch& batch) {
  lane.retry_delay_ms = 0;
  batch_units_.observe(static_cast<int64_t>(batch.units.size()));
  batch_rows_.observe(static_cast<int64_t>(batch.rows));
  const int64_t duration_ns = loop_.clock().steady_ns() - batch.sent_ns;
  commit_duration_.observe(duration_ns);
  probes::commit_done(batch.units.size(), batch.rows, duration_ns);
  for (Unit& unit : batch.units) {
    if (!unit.done) continue;  // told kUnknown; its rows may be gone from memory
    finish(unit, CommitOutcome::kCommitted, {});
  }
}

void GroupCommit::on_refused(Lane& lane, Batch& batch, std::string_view sqlstate) {
  if (is_transient(sqlstate)) return retry_later(lane, batch);
  if (batch.units.size() > 1) {
    for (Unit& unit : batch.units) unit.goes_alone = true;
    return give_back(lane, batch);
  }
  Unit& unit = batch.units.front();
  // Clients hear that it was refused, operators why (PROTOCOL 9.2).
  loop_.log().error("batch_failed", {{"sqlstate", sqlstate}});
  if (names_data(sqlstate)) {
    return finish(unit, CommitOutcome::kRefused, "changes: the database refused their data");
  }
  give_up(batch.units, "the database failed");
}

void GroupCommit::retry_later(Lane& lane, Batch& batch) {
  lane.retry_delay_ms = std::clamp(lane.retry_delay_ms * 2, limits::kCommitRetryDelayMinMs,
                                   limits::kCommitRetryDelayMaxMs);
  lane.retry_at_ns = loop_.clock().steady_ns() + lane.retry_delay_ms * 1'000'000;
  loop_.after(milliseconds(lane.retry_delay_ms), [] {});  // a tick, and so a flush, comes then
  give_back(lane, batch);
}

// Puts the batch's units back to the front of the queue, in their order.
void GroupCommit::give_back(Lane& lane, Batch& batch) {
  commit_retries_total_.add();
  std::erase_if(batch.units, [](const Unit& unit) { return !unit.done; });
  for (const Unit& unit : batch.units) lane.queued_rows += unit.rows->rows.size();
  lane.queue.insert(lane.queue.begin(), std::move_iterator(batch.units.begin()),
                    std::move_iterator(batch.units.end()));
}

void GroupCommit::finish(Unit& unit, CommitOutcome outcome, std::string_view reason) {
  if (!unit.done) return;
  write_queue_units_.set(static_cast<int64_t>(--units_pending_));
  // Emptied first: the callback may hand in the stream's next unit.
  std::exchange(unit.done, nullptr)(outcome, reason);
}

// --- Giving up

// What was stamped before another process wrote may lie below cursors that it handed out.
void GroupCommit::fail_stale_units(Batch& batch) {
  const auto first_stale = std::ranges::stable_partition(batch.units, [this](const Unit& unit) {
    return unit.epoch >= lease_.term().first_epoch && lease_.term().epoch != 0;
  });
  std::vector<Unit> stale(std::move_iterator(first_stale.begin()),
                          std::move_iterator(first_stale.end()));
  batch.units.erase(first_stale.begin(), first_stale.end());
  give_up(stale, kTakenOver);
}

void GroupCommit::schedule_expiry() {
  if (expiry_timer_.valid()) return;
  expiry_timer_ = loop_.after(milliseconds(limits::kDeadlineSweepIntervalMs), [this] {
    expiry_timer_ = {};
    expire_units();
    if (units_pending_ > 0) schedule_expiry();
  });
}

void GroupCommit::expire_units() {
  std::vector<Unit> expired = take_units(loop_.clock().steady_ns());
  commits_expired_total_.add(static_cast<int64_t>(expired.size()));
  give_up(expired, kNoAnswerInTime);
}

// What is on its way will be refused, if it arrives, or was stored before: either way nobody here
// may wait for a connection that does not answer.
void GroupCommit::give_up_all() {
  if (units_pending_ == 0) return;
  std::vector<Unit> units = take_units(std::numeric_limits<int64_t>::max());
  give_up(units, kTakenOver);
}

// Takes the units whose deadline is not after `due_ns` out of the queues and batches.
std::vector<GroupCommit::Unit> GroupCommit::take_units(int64_t due_ns) {
  std::vector<Unit> due;
  const auto take_due = [due_ns, &due](Unit& unit) {
    if (!unit.done || unit.deadline_ns > due_ns) return;
    due.push_back(std::move(unit));
    unit.done = nullptr;
  };
  for (Lane& lane : lanes_) {
    for (const auto& batch : lane.in_flight) std::ranges::for_each(batch->units, take_due);
  }
  for (Unit& unit : due) unit.maybe_stored = true;
  for (Lane& lane : lanes_) {
    std::ranges::for_each(lane.queue, take_due);
    std::erase_if(lane.queue, [](const Unit& unit) { return !unit.done; });
    lane.queued_rows = 0;
    for (const Unit& unit : lane.queue) lane.queued_rows += unit.rows->rows.size();
  }
  return due;
}

// Callbacks come last: they may hand in more.
void GroupCommit::give_up(std::vector<Unit>& units, std::string_view reason) {
  std::vector<sync::StreamName> unknown_streams;
  for (const Unit& unit : units) {
    if (unit.maybe_stored) unknown_streams.push_back(*unit.rows->stream);
  }
  if (!unknown_streams.empty()) events_.on_unknown(unknown_streams);
  for (Unit& unit : units) {
    finish(unit, unit.maybe_stored ? CommitOutcome::kUnknown : CommitOutcome::kFailed, reason);
  }
}

}  // namespace mana_sync::store
