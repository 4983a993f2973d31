#include "socket_session.h"

#include <utility>

#include "mana_sync/base/json_text.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

constexpr std::string_view kAuthOk = R"({"type":"auth-ok"})";
constexpr std::string_view kAuthExpired = R"({"type":"auth-expired"})";
constexpr std::string_view kPong = R"({"type":"pong"})";
constexpr std::string_view kInvalidToken = "invalid token";

}  // namespace

SocketSession::SocketSession(SocketContext& context, std::optional<std::string> app_id)
    : context_(context), app_id_(std::move(app_id)) {
  context_.sessions.insert(this);
  context_.open.add(1);
  context_.unauthenticated.add(1);
}

SocketSession::~SocketSession() {
  context_.sessions.erase(this);
  if (attempt_ != nullptr) attempt_->session = nullptr;
  if (subscription_.valid()) context_.hub.unsubscribe(subscription_);
  if (state_ == State::kUnauthenticated) context_.unauthenticated.add(-1);
  context_.open.add(-1);
}

void SocketSession::on_open(ws::Connection& connection) {
  connection_ = &connection;
  if (is_sent_away_) return send_away();
  connection_->wake_at(context_.loop.now_ns() + limits::kWebSocketAuthTimeoutMs * kNsPerMs);
}

void SocketSession::on_text(std::string_view text) {
  SocketMessage message = context_.messages.read(text);
  switch (message.type) {
    case SocketMessage::Type::kPing:
      return connection_->send_text(kPong);
    case SocketMessage::Type::kAuth:
      return on_auth(std::move(message));
    case SocketMessage::Type::kUnknown:
      return;
  }
}

// --- Who it is ---

void SocketSession::on_auth(SocketMessage message) {
  if (message.token.empty()) return send_error("missing token");
  if (message.has_bad_client_id) {
    return send_error("clientId must be a string of at most 255 bytes");
  }
  if (attempt_ != nullptr) {
    attempt_->next = std::move(message);
    return;
  }
  auto attempt = std::make_shared<Attempt>(this, std::move(message.client_id));
  attempt_ = attempt;
  context_.authenticator.authenticate(message.token, [attempt](auth::AuthResult result) {
    if (attempt->session != nullptr) attempt->session->on_verdict(*attempt, std::move(result));
  });
}

void SocketSession::on_verdict(Attempt& attempt, auth::AuthResult result) {
  attempt_.reset();
  if (!connection_->is_open()) return;
  if (attempt.next) return on_auth(std::move(*attempt.next));
  if (!result) return refuse(result.error());
  accept(std::move(*result), std::move(attempt.client_id));
}

void SocketSession::refuse(const Error& why) {
  if (why.code == ErrorCode::kUnavailable) {
    // It says nothing of the token: who is known stays.
    send_error("unavailable", why.message);
    if (state_ == State::kUnauthenticated) {
      connection_->close(ws::CloseCode::kTryAgainLater, "try again later");
    }
    return;
  }
  send_error(kInvalidToken, why.message);
  connection_->close(ws::CloseCode::kPolicyViolation, kInvalidToken);
}

void SocketSession::accept(std::shared_ptr<const auth::Identity> identity,
                           std::optional<std::string> client_id) {
  subscribe(identity->user_id, std::move(client_id));
  if (state_ == State::kUnauthenticated) context_.unauthenticated.add(-1);
  state_ = State::kAuthenticated;
  identity_ = std::move(identity);
  connection_->send_text(kAuthOk);
  wake_at_expiry();
}

void SocketSession::subscribe(const std::string& user_id, std::optional<std::string> client_id) {
  if (subscription_.valid()) {
    const sync::Interest& now = context_.hub.interest(subscription_);
    if (now.user_id == user_id) {
      if (!client_id || *client_id == now.client_id) return;
      send_pending();  // it would go with the subscription
    }
    context_.hub.unsubscribe(subscription_);
  }
  subscription_ = context_.hub.subscribe(
      {.user_id = user_id, .app_id = app_id_, .client_id = std::move(client_id).value_or("")},
      *this);
}

// --- What it is told ---

void SocketSession::on_notified() {
  // To one that reads slowly it is told when all before is taken; until then, more merges with it.
  if (connection_->pending_bytes() == 0) send_pending();
}

void SocketSession::on_gap() {
  // Nobody knows which tables to name. A client that connects again pulls them all.
  close_for_restart("pull everything");
}

void SocketSession::send_away() {
  is_sent_away_ = true;
  if (connection_ != nullptr) close_for_restart("another server serves now");
}

void SocketSession::close_for_restart(std::string_view reason) {
  if (subscription_.valid()) context_.hub.unsubscribe(std::exchange(subscription_, {}));
  connection_->close(ws::CloseCode::kServiceRestart, reason);
}

void SocketSession::on_drained() {
  if (subscription_.valid()) send_pending();
}

void SocketSession::send_pending() {
  for (const auto& notice : context_.hub.take(subscription_)) {
    connection_->send_text(SharedBytes{notice, notice->message});
  }
}

// `reason`: for the app's developer.
void SocketSession::send_error(std::string_view message, std::string_view reason) {
  std::string text = R"({"type":"error","message":)";
  append_json_string(text, message);
  if (!reason.empty()) {
    text += R"(,"reason":)";
    append_json_string(text, reason);
  }
  text += '}';
  connection_->send_text(std::string_view(text));
}

// --- Time (PROTOCOL 6.3, 6.4) ---

void SocketSession::wake_at_expiry() {
  connection_->wake_at(expiry_ns(identity_->times.expires_at_s, 0, context_.loop.clock()));
}

void SocketSession::on_keys(const auth::KeySet& keys) {
  if (state_ == State::kAuthenticated && !identity_->is_vouched_for_by(keys)) expire();
}

void SocketSession::expire() {
  state_ = State::kExpired;
  connection_->send_text(kAuthExpired);
  connection_->wake_at(context_.loop.now_ns() + limits::kWebSocketExpiryGraceMs * kNsPerMs);
}

void SocketSession::on_wake() {
  switch (state_) {
    case State::kUnauthenticated:
      context_.never_authenticated.add();
      return connection_->close(ws::CloseCode::kPolicyViolation, "auth timeout");
    case State::kAuthenticated:
      return has_expired(identity_->times.expires_at_s, 0, context_.loop.clock())
                 ? expire()
                 : wake_at_expiry();
    case State::kExpired:
      return connection_->close(ws::CloseCode::kPolicyViolation, "token expired");
  }
}

}  // namespace mana_sync::server
