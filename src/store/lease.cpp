#include "lease.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <utility>

#include "mana_sync/base/hash.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::store {

using std::chrono::milliseconds;

Lease::Lease(net::Loop& loop, const std::string& url, Events events)
    : loop_(loop),
      events_(std::move(events)),
      connection_(loop, {.label = "lease",
                         .url = url,
                         .prepare = {},
                         .on_up =
                             [this] {
                               end_last_session();
                               take_lock();
                             },
                         .on_down = [this] { on_down(); }}),
      migrations_(connection_, loop.log()),
      own_number_(static_cast<int64_t>(random_seed())) {}

Lease::~Lease() {
  loop_.cancel(timer_);
  loop_.cancel(settle_timer_);
}

bool Lease::is_standby() const {
  if (!waiting_since_ns_) return false;
  return term_.epoch == 0 ||
         loop_.now_ns() - *waiting_since_ns_ >= limits::kStandbyAfterMs * 1'000'000;
}

// --- Acquiring

// Where its connection fell silent, PostgreSQL may know nothing of its end, and keeps the lock for
// it.
void Lease::end_last_session() {
  Params params;
  params.add_int8(own_number_);
  const std::array calls{Call{&statements::end_other_sessions(), std::move(params)}};
  connection_.submit(calls, [](const Answer&) {});
}

void Lease::take_lock() {
  step_ = Step::kLocking;
  connection_.set_answer_timeout(limits::kLeaseAnswerTimeoutMs);
  Params params;
  params.add_int8(own_number_);
  const std::array calls{Call{&statements::try_writer_lock(), std::move(params)}};
  connection_.submit(calls, [this](const Answer& answer) { on_lock(answer); });
  events_.on_change();
}

void Lease::on_lock(const Answer& answer) {
  if (step_ != Step::kLocking || answer.kind == Answer::Kind::kLost) return;
  if (!is_row(answer)) return start_over("the writer lock cannot be asked for");
  if (!answer.results[0].boolean(0, 0)) {
    if (!waiting_since_ns_) {
      loop_.log().info("lease_waiting");
      waiting_since_ns_ = loop_.now_ns();
    }
    events_.on_change();
    return look_at_holder();
  }
  waiting_since_ns_.reset();
  step_ = Step::kMigrating;
  connection_.set_answer_timeout(0);  // a migration takes its time
  migrations_.run([this](const Result<void>& result) { on_migrated(result); });
}

// A holder that was frozen, or cut off from PostgreSQL, keeps its session and the lock with it. Its
// renewals are seen from here: without any, the session is ended. Should it wake, it finds itself
// succeeded like any other.
void Lease::look_at_holder() {
  const std::array calls{Call{&statements::writer_idle_since(), {}}};
  connection_.submit(calls, [this](const Answer& answer) { on_holder(answer); });
}

void Lease::on_holder(const Answer& answer) {
  if (step_ != Step::kLocking || answer.kind == Answer::Kind::kLost) return;
  const std::string idle_since(is_row(answer) ? answer.results[0].text(0, 0) : "");
  const bool has_moved = idle_since.empty() || idle_since != holder_idle_since_;
  holder_idle_looks_ = has_moved ? 0 : holder_idle_looks_ + 1;
  holder_idle_since_ = idle_since;
  if (holder_idle_looks_ >= limits::kLeaseIdleLooksMax) {
    loop_.log().warn("lease_holder_silent", {{"session", idle_since}});
    Params params;
    params.add_text(idle_since);
    const std::array calls{Call{&statements::end_writer_idle_since(), std::move(params)}};
    connection_.submit(calls, [](const Answer&) {});
  }
  retry_later();
}

void Lease::on_migrated(const Result<void>& result) {
  if (step_ != Step::kMigrating) return;
  connection_.set_answer_timeout(limits::kLeaseAnswerTimeoutMs);
  if (!result) {
    if (migration_error_ != result.error().message) {
      migration_error_ = result.error().message;
      loop_.log().error("migration_failed", {{"reason", migration_error_}});
    }
    return release_lock();
  }
  migration_error_.clear();
  step_ = Step::kReading;
  const std::array calls{Call{&statements::read_lease(), {}}};
  connection_.submit(calls, [this](const Answer& answer) { on_row(answer); });
}

// A server that fits the schema may take over meanwhile.
void Lease::release_lock() {
  const std::array calls{Call{&statements::release_writer_lock(), {}}};
  connection_.submit(calls, [this](const Answer& answer) {
    if (step_ == Step::kMigrating && answer.kind != Answer::Kind::kLost) retry_later();
  });
}

void Lease::on_row(const Answer& answer) {
  if (step_ != Step::kReading || answer.kind == Answer::Kind::kLost) return;
  if (!is_row(answer)) return start_over("the lease's row cannot be read");
  const int64_t epoch = answer.results[0].int8(0, 0);
  const bool is_ours = term_.epoch != 0 && epoch == term_.epoch;
  if (!is_ours) {
    if (term_.epoch != 0) {
      loop_.log().error("lease_lost", {{"epoch", term_.epoch}, {"found", epoch}});
      events_.on_lost();
    }
    term_ = {};
    floor_us_ = std::max(answer.results[0].int8(0, 1), high_water_us_);
  }
  step_ = Step::kSettling;
  raise_epoch();
}

// --- Settling: a batch holds the batch lock for its transaction and reads the epoch under it. So
// once the epoch has risen and the batches that held the lock by then have ended, nothing that was
// sent under an older epoch can be stored any more: either it is there, or it is refused.

void Lease::raise_epoch() {
  is_settling_ = true;
  is_raising_ = true;
  unsettled_.reset();
  fences_.insert(fences_.end(), std::move_iterator(fences_waiting_.begin()),
                 std::move_iterator(fences_waiting_.end()));
  fences_waiting_.clear();
  Params high_water;
  high_water.add_int8(wanted_high_water_us());
  const std::array calls{Call{&statements::raise_epoch(), std::move(high_water)}};
  connection_.submit(calls, [this](const Answer& answer) { on_raised(answer); });
  // Another process that still has batches under way lost the lease to this one: no patience.
  const int64_t patience_ms = term_.first_epoch == 0 ? 0 : limits::kLeaseSettleTimeoutMs;
  settle_until_ns_ = loop_.clock().steady_ns() + patience_ms * 1'000'000;
  ask_batch_holders();
}

void Lease::on_raised(const Answer& answer) {
  if (answer.kind == Answer::Kind::kLost || step_ == Step::kClosing) return;
  if (!is_row(answer)) return start_over("the epoch cannot be raised");
  is_raising_ = false;
  term_.epoch = answer.results[0].int8(0, 0);
  if (term_.first_epoch == 0) term_.first_epoch = term_.epoch;
  high_water_us_ = answer.results[0].int8(0, 1);
}

void Lease::ask_batch_holders() {
  const std::array calls{Call{&statements::batch_holders(), {}}};
  connection_.submit(calls, [this](const Answer& answer) { on_batch_holders(answer); });
}

void Lease::on_batch_holders(const Answer& answer) {
  if (answer.kind == Answer::Kind::kLost || step_ == Step::kClosing) return;
  if (answer.kind == Answer::Kind::kFailed) return start_over("pg_locks cannot be read");
  std::vector<std::string> holders;
  for (int row = 0; row < answer.results[0].rows(); ++row) {
    holders.emplace_back(answer.results[0].text(row, 0));
  }
  // Those that came later read the new epoch.
  if (!unsettled_) unsettled_ = holders;
  std::erase_if(*unsettled_, [&holders](const std::string& holder) {
    return std::ranges::find(holders, holder) == holders.end();
  });
  if (unsettled_->empty()) return on_settled();
  if (loop_.clock().steady_ns() >= settle_until_ns_) end_unsettled();
  settle_timer_ = loop_.after(milliseconds(limits::kLeaseSettleIntervalMs), [this] {
    if (connection_.is_up()) ask_batch_holders();
  });
}

// A batch that came in part waits for the rest, and others for its lock, as long as PostgreSQL does
// not know that its connection is gone.
void Lease::end_unsettled() {
  settle_until_ns_ = loop_.clock().steady_ns() + limits::kLeaseSettleTimeoutMs * 1'000'000;
  loop_.log().warn("batches_ended", {{"count", static_cast<int64_t>(unsettled_->size())}});
  BinaryArray transactions(ElementType::kText, unsettled_->size());
  for (const std::string& transaction : *unsettled_) transactions.add_text(transaction);
  Params params;
  params.add_array(std::move(transactions));
  const std::array calls{Call{&statements::end_batch_holders(), std::move(params)}};
  connection_.submit(calls, [](const Answer&) {});
}

void Lease::on_settled() {
  is_settling_ = false;
  for (auto& done : std::exchange(fences_, {})) done();
  if (step_ == Step::kSettling) {
    step_ = Step::kHeld;
    loop_.log().info("lease_acquired", {{"epoch", term_.epoch}});
    schedule_renewal();
    grant();
    events_.on_change();
  }
  if (!fences_waiting_.empty()) raise_epoch();
}

void Lease::fence(std::function<void()> done) {
  fences_waiting_.push_back(std::move(done));
  // While acquiring, what settles then serves; while settling, the next one does.
  if (step_ == Step::kHeld && !is_settling_) raise_epoch();
}

// --- Holding

void Lease::schedule_renewal() {
  loop_.cancel(timer_);
  timer_ = loop_.after(milliseconds(limits::kLeaseRenewIntervalMs), [this] { renew(); });
}

void Lease::renew() {
  schedule_renewal();
  if (is_raising_ || renewal_unanswered_) return;
  renewal_unanswered_ = true;
  Params params;
  params.add_int8(wanted_high_water_us()).add_int8(term_.epoch);
  const std::array calls{Call{&statements::renew_lease(), std::move(params)}};
  connection_.submit(calls, [this](const Answer& answer) { on_renewed(answer); });
}

void Lease::on_renewed(const Answer& answer) {
  renewal_unanswered_ = false;
  if (answer.kind == Answer::Kind::kLost || step_ == Step::kClosing) return;
  if (!is_row(answer)) return start_over("the lease was not renewed");
  high_water_us_ = std::max(high_water_us_, answer.results[0].int8(0, 0));
  grant();
}

int64_t Lease::wanted_high_water_us() const {
  return std::max({loop_.clock().wall_us(), floor_us_, last_stamp_us_}) + limits::kLeaseAheadUs;
}

void Lease::grant() {
  events_.on_grant(floor_us_, high_water_us_);
}

bool Lease::is_row(const Answer& answer) const {
  return answer.kind == Answer::Kind::kDone && answer.results.back().rows() == 1;
}

// --- Losing

void Lease::start_over(std::string_view reason) {
  loop_.log().warn("lease_start_over", {{"reason", reason}});
  connection_.reset(reason);
}

void Lease::on_down() {
  if (step_ == Step::kClosing) return;
  step_ = Step::kIdle;
  is_settling_ = false;
  is_raising_ = false;
  renewal_unanswered_ = false;
  loop_.cancel(timer_);
  loop_.cancel(settle_timer_);
  events_.on_change();
}

void Lease::retry_later() {
  timer_ = loop_.after(milliseconds(limits::kLeaseRetryIntervalMs), [this] {
    if (connection_.is_up()) take_lock();
  });
}

void Lease::close(int64_t last_us, std::function<void()> done) {
  const bool was_held = is_held();
  loop_.cancel(timer_);
  loop_.cancel(settle_timer_);
  step_ = Step::kClosing;
  auto finish = [this, done = std::move(done)] {
    loop_.cancel(timer_);
    connection_.close();
    loop_.post(done);
  };
  if (!was_held) return finish();
  // Nothing was handed out above the floor if `last_us` is below it.
  timer_ = loop_.after(milliseconds(limits::kStoreCloseTimeoutMs), finish);
  Params params;
  params.add_int8(std::max(last_us, floor_us_)).add_int8(term_.epoch);
  const std::array calls{Call{&statements::end_lease(), std::move(params)}};
  connection_.submit(calls, [finish](const Answer&) { finish(); });
}

}  // namespace mana_sync::store
