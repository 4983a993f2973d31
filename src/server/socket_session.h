// One WebSocket of a client: who it is, and what it is told (PROTOCOL §6).
#pragma once

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

// What the sessions of one worker share.
struct SocketContext {
  net::Loop& loop;
  sync::Hub& hub;
  auth::Authenticator& authenticator;
  Gauge& open;
  Gauge& unauthenticated;
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

 private:
  // Unauthenticated ─▶ Authenticated   a token that counts
  // Authenticated ─▶ Expired           its `exp` passed
  // Expired ─▶ Authenticated           a token that counts
  enum class State : uint8_t { kUnauthenticated, kAuthenticated, kExpired };

  // An `auth` whose token is being looked at. The session may go meanwhile, or take another.
  struct Attempt {
    SocketSession* session;  // nullptr: nobody wants to know any more
    std::optional<std::string> client_id;
  };

  void on_auth(SocketMessage message);
  void on_verdict(Attempt& attempt, auth::AuthResult result);
  void refuse(const Error& why);
  void accept(const auth::Identity& identity, std::optional<std::string> client_id);
  // `client_id` nullopt: the one that the same user gave before, or none.
  void subscribe(const std::string& user_id, std::optional<std::string> client_id);
  void drop_attempt();
  void send_pending();
  void send_error(std::string_view message, std::string_view reason = {});
  void wake_at_expiry();

  SocketContext& context_;
  ws::Connection* connection_ = nullptr;
  const std::optional<std::string> app_id_;
  sync::SubscriptionId subscription_;
  std::shared_ptr<Attempt> attempt_;  // the newest, while it is under way
  std::optional<double> expires_at_s_;
  State state_ = State::kUnauthenticated;
};

}  // namespace mana_sync::server
