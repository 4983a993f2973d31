#include "follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"
#include "mana_sync/http/sse.h"

namespace mana_sync::server {
namespace {

http::Response head_of_events() {
  http::Response head;
  head.content_type = http::kEventStreamType;
  head.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
  return head;
}

// One event for each run (PROTOCOL 7.2).
GatheredText events_of(sync::ChangePage page) {
  GatheredText events;
  for (size_t i = 0; i < page.runs.size(); ++i) {
    sync::ChangeRun& run = page.runs[i];
    std::string cursor;
    append_cursor_us(cursor, run.cursor_us);
    std::string& own = events.own();
    http::begin_event(own, cursor, "changes");
    own += "{\"table\":";
    own += run.table;
    own += ",\"changes\":[";
    events.append(std::move(run.changes));
    own += "],\"syncedUntil\":\"";
    own += cursor;
    own += "\",\"hasMore\":";
    own += page.has_more || i + 1 < page.runs.size() ? "true}" : "false}";
    own += http::kEventEnd;
  }
  return events;
}

std::string heartbeat() {
  std::string event;
  http::begin_event(event, {}, "heartbeat");
  event += "{}";
  event += http::kEventEnd;
  return event;
}

bool concerns(const sync::Notice& notice, const std::vector<std::string>& tables) {
  if (tables.empty()) return true;
  return std::ranges::any_of(tables, [&](const std::string& table) {
    return std::ranges::binary_search(notice.tables, table);
  });
}

}  // namespace

FollowerContext::FollowerContext(net::Loop& loop_in, sync::Engine& engine_in,
                                 size_t output_bytes_max_in)
    : loop(loop_in),
      engine(engine_in),
      open(loop.metrics().gauge("mana_sync_followers", "Open streams of server-sent events")),
      output(loop.metrics().gauge("mana_sync_followers_output_bytes",
                                  "Bytes of events that clients have not taken")),
      held_back(loop.metrics().counter(
          "mana_sync_followers_held_back_total",
          "Times that a stream of events waited since the clients of all had not taken too much")),
      output_bytes_max(output_bytes_max_in) {
  static constexpr std::array<const char*, kEndCount> kEndNames = {"client", "expired",
                                                                   "sent_away"};
  for (size_t i = 0; i < kEndCount; ++i) {
    ended[i] = &loop.metrics().counter("mana_sync_followers_ended_total",
                                       "Streams of server-sent events that ended, by reason",
                                       fmt::format("reason=\"{}\"", kEndNames[i]));
  }
}

FollowerContext::~FollowerContext() = default;

bool FollowerContext::admits_page() {
  if (output_bytes <= output_bytes_max) return true;
  held_back.add();
  return false;
}

void FollowerContext::remove(SlotId id, End end) {
  ended[static_cast<size_t>(end)]->add();
  followers.remove(id);
  open.set(static_cast<int64_t>(followers.size()));
}

Follower::~Follower() {
  context_.loop.cancel(timer_);
  context_.output_bytes -= counted_bytes_;
  context_.output.set(static_cast<int64_t>(context_.output_bytes));
  if (subscription_.valid()) context_.engine.hub().unsubscribe(subscription_);
}

void Follower::open(SlotId id, const http::Responder& responder) {
  id_ = id;
  response_ = responder.stream(head_of_events(), *this);
  if (!response_.is_open()) return on_gone();
  // Before the first page is read: what is committed meanwhile is news.
  subscription_ = context_.engine.hub().subscribe({.user_id = next_.stream.user_id,
                                                   .app_id = next_.stream.app_id,
                                                   .client_id = next_.exclude_client.value_or("")},
                                                  *this);
  heartbeat_ns_ = context_.loop.now_ns() + limits::kHeartbeatIntervalMs * kNsPerMs;
  end_ns_ = expiry_ns(identity_->times.expires_at_s, limits::kTokenLeewayS, context_.loop.clock());
  update_timer();
  read();
}

void Follower::end(FollowerContext::End why) {
  response_.end();
  context_.remove(id_, why);
}

void Follower::count_output() {
  const size_t bytes = response_.pending_bytes();
  context_.output_bytes += bytes - counted_bytes_;
  counted_bytes_ = bytes;
  context_.output.set(static_cast<int64_t>(context_.output_bytes));
}

void Follower::on_notified() {
  for (const auto& notice : context_.engine.hub().take(subscription_)) {
    has_news_ |= concerns(*notice, next_.tables);
  }
  if (has_news_ && state_ == State::kCaughtUp) read();
}

void Follower::on_gap() {
  has_news_ = true;
  if (state_ == State::kCaughtUp) read();
}

void Follower::on_sent(size_t pending_bytes) {
  count_output();
  if (state_ == State::kFull && pending_bytes <= limits::kFollowerOutputBytesMax) read();
}

void Follower::read() {
  if (response_.pending_bytes() > limits::kFollowerOutputBytesMax) {
    state_ = State::kFull;
    return;
  }
  if (!context_.admits_page()) return retry_later();
  state_ = State::kReading;
  has_news_ = false;
  context_.engine.read_page(next_, [&context = context_, id = id_](Result<sync::ChangePage> page) {
    if (Follower* const follower = context.followers.find(id)) follower->on_page(std::move(page));
  });
}

void Follower::on_page(Result<sync::ChangePage> page) {
  // An EventSource that is refused once never comes back: it is kept, and the page is read again.
  if (!page || !context_.admits_page()) return retry_later();
  next_.since_us = page->synced_until_us;
  const bool has_more = page->has_more;
  const bool has_changes = !page->runs.empty();
  if (has_changes) response_.send(events_of(std::move(*page)));
  count_output();
  // on_sent() follows what was sent. A page without changes only passed over others'
  // (store_port.h).
  if (has_more && has_changes) {
    state_ = State::kFull;
  } else if (has_more || has_news_) {
    read();
  } else {
    state_ = State::kCaughtUp;
  }
}

void Follower::retry_later() {
  state_ = State::kRetrying;
  retry_ns_ = context_.loop.now_ns() + limits::kFollowerRetryMs * kNsPerMs;
  update_timer();
}

// --- Time ---

int64_t Follower::due_ns() const {
  return std::min({heartbeat_ns_, end_ns_, retry_ns_});
}

void Follower::update_timer() {
  context_.loop.cancel(timer_);
  const int64_t wait_ns = std::max<int64_t>(due_ns() - context_.loop.now_ns(), 0);
  timer_ = context_.loop.after(std::chrono::milliseconds((wait_ns + kNsPerMs - 1) / kNsPerMs),
                               [this] { on_timer(); });
}

void Follower::on_timer() {
  const int64_t now_ns = context_.loop.now_ns();
  if (now_ns >= end_ns_) {
    const auto expires_at_s = identity_->times.expires_at_s;
    if (has_expired(expires_at_s, limits::kTokenLeewayS, context_.loop.clock())) {
      return end(FollowerContext::End::kExpired);
    }
    end_ns_ = expiry_ns(expires_at_s, limits::kTokenLeewayS, context_.loop.clock());
  }
  if (now_ns >= heartbeat_ns_) {
    // Behind output that waits it would tell nobody anything.
    if (response_.pending_bytes() == 0) response_.send(heartbeat());
    heartbeat_ns_ += limits::kHeartbeatIntervalMs * kNsPerMs;
  }
  if (now_ns >= retry_ns_) {
    retry_ns_ = kNeverNs;
    read();
  }
  update_timer();
}

}  // namespace mana_sync::server
