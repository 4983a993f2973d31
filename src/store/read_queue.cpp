#include "read_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>
#include <utility>

#include "mana_sync/base/limits.h"

namespace mana_sync::store {

using std::chrono::milliseconds;
namespace {

// statement_timeout, or an operator who ended it: it would last as long again.
constexpr std::string_view kQueryCanceled = "57014";

constexpr const char* kRefusedTotal = "mana_sync_reads_refused_total";
constexpr const char* kRefusedHelp =
    "Reads refused since too many waited, or too long, they would have brought too much, or "
    "another "
    "process has taken over.";
constexpr const char* kTakenOver = "another process has taken over";

}  // namespace

ReadQueue::ReadQueue(net::Loop& loop, const std::string& url, int connections,
                     std::function<void()> on_change, int64_t statement_timeout_ms)
    : loop_(loop),
      on_change_(std::move(on_change)),
      reads_total_(loop.metrics().counter("mana_sync_reads_total", "Reads sent to PostgreSQL.")),
      reads_beyond_count_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"all\"")),
      reads_beyond_time_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"time\"")),
      reads_beyond_bytes_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"bytes\"")),
      reads_without_lease_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"lease\"")),
      read_queue_reads_(loop.metrics().gauge("mana_sync_read_queue_reads",
                                             "Reads that wait to be sent to PostgreSQL.")) {
  for (int i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<PgConnection>(
        loop, PgConnection::Options{
                  .label = fmt::format("read-{}", i + 1),
                  .url = url,
                  .prepare = {&statements::page_of_stream(), &statements::page_of_table(),
                              &statements::page_of_tables(), &statements::load_chunk(),
                              &statements::lookup_cells(), &statements::lookup_inserts()},
                  .answer_timeout_ms = limits::kRequestDeadlineMs,
                  .statement_timeout_ms = statement_timeout_ms,
                  .on_up =
                      [this] {
                        on_change_();
                        dispatch();
                      },
                  .on_down = on_change_,
              }));
  }
}

void ReadQueue::open() {
  for (auto& connection : connections_) connection->open();
}

void ReadQueue::close() {
  loop_.cancel(expiry_timer_);
  loop_.cancel(retry_timer_);
  for (auto& connection : connections_) connection->close();
}

bool ReadQueue::is_up() const {
  return std::ranges::any_of(connections_, [](const auto& each) { return each->is_up(); });
}

void ReadQueue::read(const sync::StreamName& stream, std::vector<Call> calls, Done done) {
  if (is_refusing_ || waiting_.size() >= limits::kReadsWaitingMax) {
    (is_refusing_ ? reads_without_lease_total_ : reads_beyond_count_total_).add();
    const char* const why = is_refusing_ ? kTakenOver : "too many reads wait for the database";
    return loop_.post(
        [done = std::move(done), why]() mutable { done(fail(ErrorCode::kUnavailable, why)); });
  }
  const int64_t deadline_ns = loop_.clock().steady_ns() + limits::kRequestDeadlineMs * 1'000'000;
  waiting_.push_back(
      std::make_shared<Read>(stream, std::move(calls), std::move(done), deadline_ns));
  dispatch();
  schedule_expiry();
}

void ReadQueue::dispatch() {
  dispatch_waiting();
  read_queue_reads_.set(static_cast<int64_t>(waiting_.size()));
}

// Sends what waits, oldest first, as long as a connection has room.
void ReadQueue::dispatch_waiting() {
  if (retry_at_ns_ > loop_.clock().steady_ns()) return;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (is_held((*it)->stream)) {
      ++it;
      continue;
    }
    PgConnection* connection = free_connection();
    if (connection == nullptr) return;
    const std::shared_ptr<Read> read = std::move(*it);
    it = waiting_.erase(it);
    reads_total_.add();
    in_flight_.push_back(read);
    connection->submit(read->calls,
                       [this, read](const Answer& answer) { on_answer(read, answer); });
  }
}

// The one with the fewest reads in flight: behind a slow read nothing waits that need not.
PgConnection* ReadQueue::free_connection() const {
  PgConnection* best = nullptr;
  for (const auto& connection : connections_) {
    if (!connection->is_up() || connection->in_flight() >= limits::kReadsInFlightMax) continue;
    if (best == nullptr || connection->in_flight() < best->in_flight()) best = connection.get();
  }
  return best;
}

void ReadQueue::on_answer(const std::shared_ptr<Read>& read, const Answer& answer) {
  std::erase(in_flight_, read);
  if (read->done) {  // else its deadline has passed
    switch (answer.kind) {
      case Answer::Kind::kDone:
        std::exchange(read->done, nullptr)(answer.results);
        break;
      case Answer::Kind::kLost:
        waiting_.push_front(read);
        break;
      case Answer::Kind::kFailed:
        if (is_transient(answer.sqlstate) && answer.sqlstate != kQueryCanceled) {
          retry(read);
          break;
        }
        loop_.log().error("read_failed", {{"sqlstate", answer.sqlstate}});
        if (answer.sqlstate == kQueryCanceled) reads_beyond_time_total_.add();
        std::exchange(read->done, nullptr)(
            answer.sqlstate == kQueryCanceled
                ? fail(ErrorCode::kUnavailable, "the database did not answer in time")
                : fail(ErrorCode::kInternal, "the database failed a read"));
        break;
    }
  }
  dispatch();
}

void ReadQueue::retry(const std::shared_ptr<Read>& read) {
  waiting_.push_front(read);
  retry_at_ns_ = loop_.clock().steady_ns() + limits::kReadRetryDelayMs * 1'000'000;
  loop_.cancel(retry_timer_);
  retry_timer_ = loop_.after(milliseconds(limits::kReadRetryDelayMs), [this] { dispatch(); });
}

// --- Holding

void ReadQueue::hold(const std::vector<sync::StreamName>& streams) {
  held_.insert(held_.end(), streams.begin(), streams.end());
}

void ReadQueue::release(const std::vector<sync::StreamName>& streams) {
  for (const sync::StreamName& stream : streams) held_.erase(std::ranges::find(held_, stream));
  dispatch();
}

bool ReadQueue::is_held(const sync::StreamName& stream) const {
  return !held_.empty() && std::ranges::find(held_, stream) != held_.end();
}

// --- Giving up

void ReadQueue::schedule_expiry() {
  if (expiry_timer_.valid()) return;
  expiry_timer_ = loop_.after(milliseconds(limits::kDeadlineSweepIntervalMs), [this] {
    expiry_timer_ = {};
    refuse_due(loop_.clock().steady_ns(), "the database did not answer in time",
               reads_beyond_time_total_);
    if (pending() > 0) schedule_expiry();
  });
}

void ReadQueue::set_refusing(bool is_refusing) {
  is_refusing_ = is_refusing;
  if (!is_refusing) return;
  refuse_due(std::numeric_limits<int64_t>::max(), kTakenOver, reads_without_lease_total_);
}

// Those whose deadline is not after `due_ns`.
void ReadQueue::refuse_due(int64_t due_ns, std::string_view why, Counter& refused) {
  std::vector<Done> due;
  const auto take_due = [&](const std::shared_ptr<Read>& read) {
    if (!read->done || read->deadline_ns > due_ns) return;
    due.push_back(std::exchange(read->done, nullptr));
  };
  std::ranges::for_each(in_flight_, take_due);
  std::ranges::for_each(waiting_, take_due);
  std::erase_if(waiting_, [](const std::shared_ptr<Read>& read) { return !read->done; });
  read_queue_reads_.set(static_cast<int64_t>(waiting_.size()));
  // Callbacks come last: they may hand in more.
  for (Done& done : due) {
    refused.add();
    done(fail(ErrorCode::kUnavailable, std::string(why)));
  }
}

}  // namespace mana_sync::store
