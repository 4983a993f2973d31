// One client that follows a stream by server-sent events (PROTOCOL §7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "expiry.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/http/server.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/engine.h"

namespace mana_sync::server {

class Follower;

// What the followers of one worker share: among it, themselves.
struct FollowerContext {
  FollowerContext(net::Loop& loop_in, sync::Engine& engine_in);
  ~FollowerContext();
  // Destroys it.
  void remove(SlotId id);

  net::Loop& loop;
  sync::Engine& engine;
  Gauge& open;
  SlotMap<Follower> followers;
};

class Follower final : public http::StreamEvents, public sync::Subscriber {
 public:
  // `context` must outlive it.
  Follower(FollowerContext& context, sync::PullRequest from, const auth::Identity& identity)
      : context_(context), next_(std::move(from)), expires_at_s_(identity.expires_at_s) {}
  ~Follower() override;

  // Called once, first; destroys it where nobody waits any more.
  void open(SlotId id, const http::Responder& responder);

  void on_sent(size_t pending_bytes) override;
  void on_gone() override { context_.remove(id_); }
  void on_notified() override;
  void on_gap() override;

 private:
  // Reading ─▶ Full ─▶ Reading      a page was sent, and there are more: when the client took it
  // Reading ─▶ CaughtUp ─▶ Reading  it has all there is: when something is committed
  // Reading ─▶ Retrying ─▶ Reading  the store could not be read: after a while
  enum class State { kReading, kFull, kCaughtUp, kRetrying };

  void read();
  void on_page(Result<sync::ChangePage> page);

  [[nodiscard]] int64_t due_ns() const;
  void update_timer();
  void on_timer();

  FollowerContext& context_;
  SlotId id_;
  http::StreamedResponse response_;
  sync::SubscriptionId subscription_;
  sync::PullRequest next_;  // the next page
  const std::optional<double> expires_at_s_;
  State state_ = State::kReading;
  bool has_news_ = false;  // something was committed since the last page was asked for

  int64_t heartbeat_ns_ = 0;  // when the next one is due
  int64_t end_ns_ = kNeverNs;
  int64_t retry_ns_ = kNeverNs;
  net::TimerId timer_;
};

}  // namespace mana_sync::server
