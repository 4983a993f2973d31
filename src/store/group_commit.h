// Group commit (ARCHITECTURE §6): units of many streams become one batch, which is one INSERT, one
// transaction and one fsync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lease.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/store_port.h"
#include "pg_connection.h"

namespace mana_sync::store {

// Owns the write connections. One thread. How many units wait is bounded by who hands them in: one
// for each stream, limits::kWaitingPushesMax in all.
class GroupCommit {
 public:
  struct Events {
    std::function<void()> on_change;  // is_up() may be different
    // Batches that lost their connection, or got no answer, may still be stored behind our back:
    // their streams are about to be told kUnknown.
    std::function<void(const std::vector<sync::StreamName>&)> on_unknown;
  };

  // `loop` and `lease` must outlive it. `connections` >= 1.
  GroupCommit(net::Loop& loop, const Lease& lease, const std::string& url, int connections,
              Events events);
  ~GroupCommit() { close(); }
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // Connects. REQUIRES: the schema stands.
  void open();
  // Closes all connections; no callback comes any more.
  void close();

  // As StorePort::commit.
  void commit(const sync::CommitUnit& unit, sync::CommitCallback done);
  // Sends what has gathered, as far as the policy allows; gives all up where another process has
  // the lease. At each tick's end.
  void flush();

  [[nodiscard]] bool is_up() const;  // some connection is
  [[nodiscard]] size_t pending() const { return units_pending_; }

 private:
  // A unit on its way: waiting in a lane's queue, or in a batch that is in flight.
  struct Unit {
    const sync::CommitUnit* rows;
    sync::CommitCallback done;  // empty once told
    int64_t deadline_ns;        // steady
    int64_t epoch;              // in which its rows were stamped
    size_t bytes;
    bool was_sent = false;
    bool goes_alone = false;    // it was in a batch that was refused
    bool maybe_stored = false;  // an earlier try lost its connection
  };

  struct Batch {
    std::vector<Unit> units;
    int64_t epoch = 0;
    int64_t sent_ns = 0;  // steady
    size_t rows = 0;      // at the time it was sent
  };

  // A write connection and the units of the streams that stick to it.
  struct Lane {
    std::unique_ptr<PgConnection> connection;
    std::deque<Unit> queue;
    std::vector<std::shared_ptr<Batch>> in_flight;
    size_t queued_rows = 0;
    int64_t retry_at_ns = 0;
    int64_t retry_delay_ms = 0;
  };

  [[nodiscard]] Lane& lane_of(const sync::StreamName& stream);
  [[nodiscard]] bool may_send(const Lane& lane) const;
  [[nodiscard]] Batch take_batch(Lane& lane);
  void send(Lane& lane, Batch batch);
  void on_answer(Lane& lane, const std::shared_ptr<Batch>& batch, const Answer& answer);
  void on_refused(Lane& lane, Batch& batch, std::string_view sqlstate);
  void on_committed(Lane& lane, Batch& batch);
  void give_back(Lane& lane, Batch& batch);
  void retry_later(Lane& lane, Batch& batch);
  void finish(Unit& unit, sync::CommitOutcome outcome, std::string_view reason);
  void fail_stale_units(Batch& batch);
  void expire_units();
  void give_up_all();
  [[nodiscard]] std::vector<Unit> take_units(int64_t due_ns);
  void give_up(std::vector<Unit>& units, std::string_view reason);
  void schedule_expiry();

  net::Loop& loop_;
  const Lease& lease_;
  const Events events_;
  std::deque<Lane> lanes_;
  size_t units_pending_ = 0;
  net::TimerId expiry_timer_;
  Histogram& batch_units_;
  Histogram& batch_rows_;
  Histogram& commit_duration_;
  Counter& commit_retries_total_;
  Counter& commits_expired_total_;
  Gauge& write_queue_units_;
};

}  // namespace mana_sync::store
