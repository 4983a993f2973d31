// One WebSocket of a client: who it is, and what it is told (PROTOCOL §6).
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "expiry.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/sync/hub.h"
#include "mana_sync/ws/connection.h"
#include "socket_message.h"

namespace mana_sync::server {

class SocketSession;

// What the sessions of one worker share.
struct SocketContext {
  net::Loop& loop;
  sync::Hub& hub;
  auth::Authenticator& authenticator;
  Gauge& open;
  Gauge& unauthenticated;
  Counter& never_authenticated;  // those closed since they showed no token in time
  absl::flat_hash_set<SocketSession*> sessions{};
  SocketMessageReader messages{};
};

class SocketSession final : public ws::Session, public sync::Subscriber {
 public:
  // `context` must outlive it. `app_id`: what it hears of; nullopt: all apps of its user.
  SocketSession(SocketContext& context, std::optional<std::string> app_id);
  ~SocketSession() override;

  void on_open(ws::Connection& connection) override;
  void on_text(std::string_view text) override;
  void on_drained() override;
  void on_wake() override;
  void on_closed() override {}

  void on_notified() override;
  void on_gap() override;

  // Its token counts no longer where its key is not in `keys` (PROTOCOL 1.5): as if it had expired.
  void on_keys(const auth::KeySet& keys);
  // Another process serves now. Closes it with 1012: its client is to connect again, and pull.
  void send_away();

 private:
  // Unauthenticated ─▶ Authenticated   a token that counts
  // Authenticated ─▶ Expired           its `exp` passed
  // Expired ─▶ Authenticated           a token that counts
  enum class State : uint8_t { kUnauthenticated, kAuthenticated, kExpired };

  // An `auth` whose token is being looked at. The session may go meanwhile. One at a time: each may
  // wait for a key.
  struct Attempt {
    SocketSession* session;  // nullptr: it is gone
    std::optional<std::string> client_id;
    // The newest `auth` that came meanwhile; it counts instead.
    std::optional<SocketMessage> next{};
  };

  void on_auth(SocketMessage message);
  void on_verdict(Attempt& attempt, auth::AuthResult result);
  void refuse(const Error& why);
  void accept(std::shared_ptr<const auth::Identity> identity, std::optional<std::string> client_id);
  // `client_id` nullopt: the one that the same user gave before, or none.
  void subscribe(const std::string& user_id, std::optional<std::string> client_id);
  void send_pending();
  void close_for_restart(std::string_view reason);
  void send_error(std::string_view message, std::string_view reason = {});
  void wake_at_expiry();
  void expire();

  SocketContext& context_;
  ws::Connection* connection_ = nullptr;  // nullptr until on_open(), a tick after the upgrade
  const std::optional<std::string> app_id_;
  sync::SubscriptionId subscription_;
  std::shared_ptr<Attempt> attempt_;  // while it is under way
  std::shared_ptr<const auth::Identity> identity_;
  State state_ = State::kUnauthenticated;
  bool is_sent_away_ = false;
};

}  // namespace mana_sync::server
