// A device that follows its user's stream over server-sent events (PROTOCOL §7), and goes on where
// it was when the connection is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "histogram.h"
#include "inbox.h"
#include "scenario.h"
#include "sse_client.h"

namespace mana_sync::loadgen {

class FollowerEvents {
 public:
  virtual ~FollowerEvents() = default;
  // It follows, for the first time or again.
  virtual void on_following() = 0;
  // The connection has ended, though nobody cut it; it is opened again, kReopenMs later.
  virtual void on_follower_ended(std::string_view reason) = 0;
  virtual void on_wrong(std::string_view what) = 0;
};

class Follower final : private SseEvents {
 public:
  static constexpr int64_t kReopenMs = 100;

  // All must outlive the follower. `user` is whose stream it follows, `device` its number in the
  // ledger, `delays` where it notes how long changes took from their push's answer; 0 where they
  // came before it.
  Follower(RunContext& run, size_t user, size_t device, DeliveryLedger& ledger, Histogram& delays,
           FollowerEvents& events);
  ~Follower() override;

  void open();
  // Cuts the connection, and opens another that goes on behind the last event (`Last-Event-ID`).
  void reconnect();

  [[nodiscard]] const SharedRecords& shared() const { return inbox_.shared(); }

 private:
  void on_open() override { events_.on_following(); }
  void on_event(const SseEvent& event) override;
  void on_ended(std::string_view reason) override;
  void take(const SseEvent& event);

  RunContext& run_;
  const size_t user_;
  const std::string client_id_;
  const DeliveryLedger& ledger_;
  Histogram& delays_;
  FollowerEvents& events_;
  Inbox inbox_;
  const std::string since_;  // until there is an event
  std::string last_id_;
  net::TimerId reopen_timer_;
  SseClient client_;
};

}  // namespace mana_sync::loadgen
