// Read-only calls over the read connections: bounded, pipelined, sent again when a connection goes.
//
// What a read takes PostgreSQL is the user's doing, up to its statement's time limit. So that
// nobody waits for that but the user himself, users take turns; one connection at least is left to
// the others; and what stands behind a slow read of another's is sent again elsewhere, and told by
// whichever answer comes first. With a single connection there is no elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/result.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/store_port.h"
#include "pg_connection.h"
#include "waiting_reads.h"

namespace mana_sync::store {

// Owns the read connections. One thread.
class ReadQueue {
 public:
  // One result for each call; kUnavailable when refusing, when too many wait, of all users or of
  // this one, or when no answer came within limits::kRequestDeadlineMs or PostgreSQL ended a
  // statement; kInternal when it refused one.
  using Done = Read::Done;

  // `loop` must outlive it; `on_change`: is_up() may be different. `connections` >= 1. PostgreSQL
  // ends a statement after `statement_timeout_ms`, so that nothing runs on for nobody.
  ReadQueue(net::Loop& loop, const std::string& url, int connections,
            std::function<void()> on_change,
            int64_t statement_timeout_ms = limits::kReadStatementTimeoutMs);
  ~ReadQueue() { close(); }
  ReadQueue(const ReadQueue&) = delete;
  ReadQueue& operator=(const ReadQueue&) = delete;

  // Connects. REQUIRES: the schema stands.
  void open();
  // Closes all connections; no callback comes any more.
  void close();

  // Sends the calls as one transaction when a connection is free; `done` comes later.
  void read(const sync::StreamName& stream, std::vector<Call> calls, Done done);

  // Reads of these streams wait until release(): a batch of theirs may still be stored unseen.
  void hold(const std::vector<sync::StreamName>& streams);
  // Undoes one hold() of the same streams.
  void release(const std::vector<sync::StreamName>& streams);

  // A read was answered with more than may be: it is refused.
  void count_too_large() { reads_beyond_bytes_total_.add(); }

  // From now on reads are refused, those too that wait or are under way; or they are not.
  void set_refusing(bool is_refusing);

  [[nodiscard]] bool is_up() const;  // some connection is
  [[nodiscard]] size_t pending() const;

 private:
  struct Sent {
    std::shared_ptr<Read> read;
    bool is_sent_elsewhere = false;  // too
  };
  // A connection, and what it has not answered, in the order of its answers.
  struct Lane {
    std::unique_ptr<PgConnection> connection;
    std::deque<Sent> sent;
    int64_t front_since_ns = 0;  // since when PostgreSQL can be at work on the first
  };

  // Why a read is not taken, for its client and for the metrics; no counter: it is.
  struct Refusal {
    Counter* counter = nullptr;
    std::string_view why{};
  };

  [[nodiscard]] Refusal find_refusal(const SharedText& user);
  void dispatch();
  void dispatch_waiting();
  void send(Lane& lane, std::shared_ptr<Read> read);
  [[nodiscard]] bool is_slow(const Lane& lane) const;
  [[nodiscard]] bool takes_reads(const Lane& lane) const;
  [[nodiscard]] static bool holds_reads_of(const Lane& lane, const SharedText& user);
  // nullptr: those that have room are for others.
  [[nodiscard]] Lane* find_lane_for(const SharedText& user);
  [[nodiscard]] bool is_held(const sync::StreamName& stream) const;
  void on_answer(Lane& lane, const Answer& answer);
  void take_answer(const Sent& sent, const Answer& answer);
  void pass_by_slow_reads();
  void retry(const std::shared_ptr<Read>& read);
  void refuse_due(int64_t due_ns, std::string_view why, Counter& refused);
  void schedule_expiry();

  net::Loop& loop_;
  const std::function<void()> on_change_;
  std::deque<Lane> lanes_;
  WaitingReads waiting_;
  std::vector<sync::StreamName> held_;  // a few at most, and only in bad times
  int64_t retry_at_ns_ = 0;
  bool is_refusing_ = false;
  net::TimerId expiry_timer_;
  net::TimerId retry_timer_;
  Counter& reads_total_;
  Counter& reads_beyond_count_total_;
  Counter& reads_beyond_share_total_;
  Counter& reads_beyond_time_total_;
  Counter& reads_beyond_bytes_total_;
  Counter& reads_without_lease_total_;
  Gauge& read_queue_reads_;
};

}  // namespace mana_sync::store
