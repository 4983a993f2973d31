#include "read_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>
#include <utility>

#include "mana_sync/base/limits.h"
#include "reasons.h"

namespace mana_sync::store {

using std::chrono::milliseconds;
namespace {

// statement_timeout, or an operator who ended it: it would last as long again.
constexpr std::string_view kQueryCanceled = "57014";

constexpr const char* kRefusedTotal = "mana_sync_reads_refused_total";
constexpr const char* kRefusedHelp =
    "Reads refused since too many waited, of all or of one user, or too long, they would have "
    "brought too much, or another process has taken over.";

}  // namespace

ReadQueue::ReadQueue(net::Loop& loop, const std::string& url, int connections,
                     std::function<void()> on_change, int64_t statement_timeout_ms)
    : loop_(loop),
      on_change_(std::move(on_change)),
      reads_total_(loop.metrics().counter("mana_sync_reads_total", "Reads sent to PostgreSQL.")),
      reads_beyond_count_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"all\"")),
      reads_beyond_share_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"user\"")),
      reads_beyond_time_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"time\"")),
      reads_beyond_bytes_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"bytes\"")),
      reads_without_lease_total_(
          loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"lease\"")),
      read_queue_reads_(loop.metrics().gauge("mana_sync_read_queue_reads",
                                             "Reads that wait to be sent to PostgreSQL.")) {
  for (int i = 0; i < connections; ++i) {
    lanes_.emplace_back().connection = std::make_unique<PgConnection>(
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
              });
  }
}

void ReadQueue::open() {
  for (Lane& lane : lanes_) lane.connection->open();
}

void ReadQueue::close() {
  loop_.cancel(expiry_timer_);
  loop_.cancel(retry_timer_);
  for (Lane& lane : lanes_) lane.connection->close();
}

bool ReadQueue::is_up() const {
  return std::ranges::any_of(lanes_, [](const Lane& lane) { return lane.connection->is_up(); });
}

size_t ReadQueue::pending() const {
  size_t count = waiting_.size();
  for (const Lane& lane : lanes_) count += lane.sent.size();
  return count;
}

ReadQueue::Refusal ReadQueue::find_refusal(const SharedText& user) {
  if (is_refusing_) return {&reads_without_lease_total_, kTakenOver};
  if (waiting_.size() >= limits::kReadsWaitingMax) {
    return {&reads_beyond_count_total_, "too many reads wait for the database"};
  }
  if (waiting_.size_of(user) >= limits::kUserReadsWaitingMax) {
    return {&reads_beyond_share_total_, "too many reads of this user wait for the database"};
  }
  return {};
}

void ReadQueue::read(const sync::StreamName& stream, std::vector<Call> calls, Done done) {
  if (const Refusal refusal = find_refusal(stream.user_id); refusal.counter != nullptr) {
    refusal.counter->add();
    return loop_.post([done = std::move(done), why = refusal.why]() mutable {
      done(fail(ErrorCode::kUnavailable, std::string(why)));
    });
  }
  const int64_t deadline_ns = loop_.clock().steady_ns() + limits::kRequestDeadlineMs * 1'000'000;
  waiting_.push_back(
      std::make_shared<Read>(stream, std::move(calls), std::move(done), deadline_ns));
  dispatch();
  schedule_expiry();
}

// --- Sending

void ReadQueue::dispatch() {
  dispatch_waiting();
  read_queue_reads_.set(static_cast<int64_t>(waiting_.size()));
}

// Sends what waits as long as a connection has room.
void ReadQueue::dispatch_waiting() {
  if (waiting_.size() == 0 || retry_at_ns_ > loop_.clock().steady_ns()) return;
  while (std::ranges::any_of(lanes_, [this](const Lane& lane) { return takes_reads(lane); })) {
    Lane* lane = nullptr;
    std::shared_ptr<Read> read = waiting_.take(
        [&](const SharedText& user) { return (lane = find_lane_for(user)) != nullptr; },
        [this](const Read& waiting) { return !is_held(waiting.stream); });
    if (read == nullptr) return;
    send(*lane, std::move(read));
  }
}

void ReadQueue::send(Lane& lane, std::shared_ptr<Read> read) {
  reads_total_.add();
  if (lane.sent.empty()) lane.front_since_ns = loop_.now_ns();
  const std::vector<Call>& calls = read->calls;
  lane.sent.push_back({std::move(read)});
  lane.connection->submit(calls, [this, &lane](const Answer& answer) { on_answer(lane, answer); });
}

bool ReadQueue::is_slow(const Lane& lane) const {
  return lanes_.size() > 1 && !lane.sent.empty() &&
         loop_.now_ns() - lane.front_since_ns >= limits::kSlowReadMs * 1'000'000;
}

bool ReadQueue::takes_reads(const Lane& lane) const {
  return lane.connection->is_up() && lane.sent.size() < limits::kReadsInFlightMax && !is_slow(lane);
}

bool ReadQueue::holds_reads_of(const Lane& lane, const SharedText& user) {
  return std::ranges::any_of(lane.sent, [&](const Sent& sent) {
    return !sent.is_sent_elsewhere && sent.read->stream.user_id == user;
  });
}

// The one with the fewest reads in flight: behind a slow read nothing waits that need not.
ReadQueue::Lane* ReadQueue::find_lane_for(const SharedText& user) {
  const auto holds_his = [&](const Lane& lane) { return holds_reads_of(lane, user); };
  const auto lanes_of_user = static_cast<size_t>(std::ranges::count_if(lanes_, holds_his));
  const bool may_take_another = lanes_of_user == 0 || lanes_of_user + 1 < lanes_.size();
  Lane* best = nullptr;
  for (Lane& lane : lanes_) {
    if (!takes_reads(lane) || (!may_take_another && !holds_his(lane))) continue;
    if (best == nullptr || lane.sent.size() < best->sent.size()) best = &lane;
  }
  return best;
}

// --- The answer

void ReadQueue::on_answer(Lane& lane, const Answer& answer) {
  const Sent sent = std::move(lane.sent.front());
  lane.sent.pop_front();
  lane.front_since_ns = loop_.now_ns();
  if (sent.read->done) take_answer(sent, answer);  // else its deadline has passed, or it was told
  dispatch();
}

void ReadQueue::take_answer(const Sent& sent, const Answer& answer) {
  const std::shared_ptr<Read>& read = sent.read;
  switch (answer.kind) {
    case Answer::Kind::kDone:
      return std::exchange(read->done, nullptr)(answer.results);
    case Answer::Kind::kLost:
      if (!sent.is_sent_elsewhere) waiting_.push_front(read);
      return;
    case Answer::Kind::kFailed:
      if (is_transient(answer.sqlstate) && answer.sqlstate != kQueryCanceled) {
        if (!sent.is_sent_elsewhere) retry(read);
        return;
      }
      loop_.log().error("read_failed", {{"sqlstate", answer.sqlstate}});
      if (answer.sqlstate == kQueryCanceled) reads_beyond_time_total_.add();
      std::exchange(read->done,
                    nullptr)(answer.sqlstate == kQueryCanceled
                                 ? fail(ErrorCode::kUnavailable, std::string(kNoAnswerInTime))
                                 : fail(ErrorCode::kInternal, "the database failed a read"));
  }
}

void ReadQueue::retry(const std::shared_ptr<Read>& read) {
  waiting_.push_front(read);
  retry_at_ns_ = loop_.clock().steady_ns() + limits::kReadRetryDelayMs * 1'000'000;
  loop_.cancel(retry_timer_);
  retry_timer_ = loop_.after(milliseconds(limits::kReadRetryDelayMs), [this] { dispatch(); });
}

// What stands behind another user's slow read goes elsewhere, once, if there is room now: where all
// is slow it would only be more.
void ReadQueue::pass_by_slow_reads() {
  if (std::ranges::none_of(lanes_, [this](const Lane& lane) { return takes_reads(lane); })) return;
  for (Lane& lane : lanes_) {
    if (!is_slow(lane)) continue;
    const SharedText& slow_user = lane.sent.front().read->stream.user_id;
    for (size_t i = lane.sent.size(); i-- > 1;) {
      Sent& sent = lane.sent[i];
      if (!sent.read->done || sent.read->stream.user_id == slow_user) continue;
      if (!std::exchange(sent.is_sent_elsewhere, true)) waiting_.push_front(sent.read);
    }
  }
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
    refuse_due(loop_.clock().steady_ns(), kNoAnswerInTime, reads_beyond_time_total_);
    pass_by_slow_reads();
    dispatch();
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
  for (const Lane& lane : lanes_) {
    for (const Sent& sent : lane.sent) take_due(sent.read);
  }
  waiting_.for_each(take_due);
  waiting_.drop_told();
  read_queue_reads_.set(static_cast<int64_t>(waiting_.size()));
  // Callbacks come last: they may hand in more.
  for (Done& done : due) {
    refused.add();
    done(fail(ErrorCode::kUnavailable, std::string(why)));
  }
}

}  // namespace mana_sync::store
