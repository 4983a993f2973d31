// One client that follows a stream by server-sent events (PROTOCOL §7).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

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
  // Why one ended, for the metric.
  enum class End : uint8_t { kClient, kExpired, kSentAway };
  static constexpr size_t kEndCount = 3;

  FollowerContext(net::Loop& loop_in, sync::Engine& engine_in, size_t output_bytes_max_in);
  ~FollowerContext();
  // Destroys it.
  void remove(SlotId id, End end);
  // Whether another page may be sent; counts those that must wait.
  [[nodiscard]] bool admits_page();

  net::Loop& loop;
  sync::Engine& engine;
  Gauge& open;
  Gauge& output;
  Counter& held_back;
  std::array<Counter*, kEndCount> ended;
  SlotMap<Follower> followers;
  const size_t output_bytes_max;
  size_t output_bytes = 0;  // that the clients of all have not taken
};

class Follower final : public http::StreamEvents, public sync::Subscriber {
 public:
  // `context` must outlive it.
  Follower(FollowerContext& context, sync::PullRequest from,
           std::shared_ptr<const auth::Identity> identity)
      : context_(context), next_(std::move(from)), identity_(std::move(identity)) {}
  ~Follower() override;

  // Called once, first; destroys it where nobody waits any more.
  void open(SlotId id, const http::Responder& responder);

  void on_sent(size_t pending_bytes) override;
  void on_gone() override { context_.remove(id_, FollowerContext::End::kClient); }
  void on_notified() override;
  void on_gap() override;

  // Ends the answer, and destroys this.
  void end(FollowerContext::End why);
  [[nodiscard]] const auth::Identity& identity() const { return *identity_; }

 private:
  // Reading ─▶ Full ─▶ Reading      a page was sent, and there are more: when the client took it
  // Reading ─▶ CaughtUp ─▶ Reading  it has all there is: when something is committed
  // Reading ─▶ Retrying ─▶ Reading  after a while, where the store could not be read, or all
  //                                 followers together have too much outstanding
  enum class State { kReading, kFull, kCaughtUp, kRetrying };

  void read();
  void on_page(Result<sync::ChangePage> page);
  void retry_later();
  void count_output();

  [[nodiscard]] int64_t due_ns() const;
  void update_timer();
  void on_timer();

  FollowerContext& context_;
  SlotId id_;
  http::StreamedResponse response_;
  sync::SubscriptionId subscription_;
  sync::PullRequest next_;  // the next page
  const std::shared_ptr<const auth::Identity> identity_;
  State state_ = State::kReading;
  size_t counted_bytes_ = 0;  // this follower's share of output_bytes
  bool has_news_ = false;     // something was committed since the last page was asked for

  int64_t heartbeat_ns_ = 0;  // when the next one is due
  int64_t end_ns_ = kNeverNs;
  int64_t retry_ns_ = kNeverNs;
  net::TimerId timer_;
};

}  // namespace mana_sync::server
