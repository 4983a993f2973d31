// The lease (ARCHITECTURE §5): one process writes at a time, and no stamp or cursor above the high
// water in PostgreSQL is handed out. On a connection of its own, whose session holds the writer
// lock; it also migrates, since that is the writer's as well.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mana_sync/base/result.h"
#include "mana_sync/net/loop.h"
#include "migrations.h"
#include "pg_connection.h"

namespace mana_sync::store {

// The epochs during which nobody else wrote, up to the one in force now. What was stamped in one of
// them may still be stored. The epoch rises with each acquisition and each fence; 0: none yet.
struct Term {
  int64_t first_epoch = 0;
  int64_t epoch = 0;
};

class Lease {
 public:
  struct Events {
    // The first grant of a term comes with a floor above the last one's (StoreEvents::on_lease).
    std::function<void(int64_t floor_us, int64_t high_water_us)> on_grant;
    std::function<void()> on_lost;    // another process has written: the term is over
    std::function<void()> on_change;  // is_connected(), is_held() or is_standby() may be different
  };

  // `loop` must outlive the lease.
  Lease(net::Loop& loop, const std::string& url, Events events);
  // REQUIRES: not called from within its events.
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  void open() { connection_.open(); }
  // Ends the lease at `last_us` if it is held, then closes the connection and calls `done`.
  void close(int64_t last_us, std::function<void()> done);

  [[nodiscard]] bool is_connected() const { return connection_.is_up(); }
  // The session holds the writer lock, and the epoch in the database is ours.
  [[nodiscard]] bool is_held() const { return step_ == Step::kHeld; }
  // The writer lock was asked for last and somebody else held it: another process, or, for a
  // moment, this one's last session.
  [[nodiscard]] bool is_waiting() const { return waiting_since_ns_.has_value(); }
  // Another process holds the writer lock, as far as can be told.
  [[nodiscard]] bool is_standby() const;
  [[nodiscard]] const Term& term() const { return term_; }

  // The newest stamp handed out: when the wall clock stands behind it, the high water rises from
  // it.
  void note_stamp(int64_t last_us) { last_stamp_us_ = std::max(last_stamp_us_, last_us); }

  // Makes sure that no batch sent before now can still be stored unseen, then calls `done`. Others
  // go on meanwhile. Waits for PostgreSQL as long as it takes.
  void fence(std::function<void()> done);

 private:
  // The way to the lease, one answer after the other; back to kIdle when the connection is lost.
  enum class Step { kIdle, kLocking, kMigrating, kReading, kSettling, kHeld, kClosing };

  void end_last_session();
  void take_lock();
  void on_lock(const Answer& answer);
  void look_at_holder();
  void on_holder(const Answer& answer);
  void on_migrated(const Result<void>& result);
  void release_lock();
  void on_row(const Answer& answer);
  void raise_epoch();
  void on_raised(const Answer& answer);
  void ask_batch_holders();
  void on_batch_holders(const Answer& answer);
  void end_unsettled();
  void on_settled();
  void schedule_renewal();
  void renew();
  void on_renewed(const Answer& answer);
  void start_over(std::string_view reason);
  void on_down();
  void retry_later();
  void grant();
  [[nodiscard]] int64_t wanted_high_water_us() const;
  [[nodiscard]] bool is_row(const Answer& answer) const;

  net::Loop& loop_;
  const Events events_;
  PgConnection connection_;
  Migrations migrations_;
  const int64_t own_number_;  // what no other process locks
  Step step_ = Step::kIdle;
  Term term_;
  int64_t floor_us_ = 0;
  int64_t high_water_us_ = 0;
  int64_t last_stamp_us_ = 0;
  std::optional<int64_t> waiting_since_ns_;  // for the lock, which somebody else holds
  std::string holder_idle_since_;            // statements::writer_idle_since(), as seen last
  int holder_idle_looks_ = 0;                // how often it has been just that
  std::string migration_error_;
  bool renewal_unanswered_ = false;
  // Raising the epoch, or waiting for the batches that began before it rose.
  bool is_settling_ = false;
  bool is_raising_ = false;
  std::optional<std::vector<std::string>> unsettled_;  // nullopt: not asked yet
  int64_t settle_until_ns_ = 0;                        // then those that are left are ended
  std::vector<std::function<void()>> fences_;          // done when what settles now has settled
  std::vector<std::function<void()>> fences_waiting_;  // for the next time
  net::TimerId timer_;         // of the step: the next try, the next renewal, the end
  net::TimerId settle_timer_;  // the next look at `unsettled_`
};

}  // namespace mana_sync::store
