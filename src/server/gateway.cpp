#include "gateway.h"

#include <memory>
#include <optional>

#include "answers.h"
#include "sync_endpoints.h"

namespace mana_sync::server {
namespace {

constexpr std::string_view kNotServing =
    "another server serves now, or the database cannot be reached";

}  // namespace

Gateway::Gateway(sync::Engine& engine, auth::Authenticator& authenticator, Followers& followers,
                 Sockets& sockets, RequestRates& rates, Metrics& metrics,
                 std::function<Health()> health)
    : engine_(engine),
      authenticator_(authenticator),
      followers_(followers),
      sockets_(sockets),
      rates_(rates),
      metrics_(metrics),
      connections_(metrics.gauge("mana_sync_connections_total", "Open client connections")),
      http_connections_(
          metrics.gauge("mana_sync_http_connections",
                        "Open connections that are neither a WebSocket nor a stream of events")),
      users_(metrics.gauge("mana_sync_users_connected",
                           "Users with an authenticated WebSocket or a stream of events")),
      health_(std::move(health)),
      requests_(metrics),
      process_(metrics) {}

void Gateway::set_store_state(store::StoreState state) {
  is_ready_ = state == store::StoreState::kReady;
  if (is_ready_) serves_ = true;
  if (state != store::StoreState::kStandby || !std::exchange(serves_, false)) return;
  // What the other process commits nobody here hears of.
  followers_.send_all_away();
  sockets_.send_all_away();
}

Result<std::string_view> Gateway::token_of(const http::Request& request) {
  const auto header = request.header("Authorization");
  if (!header) return fail(ErrorCode::kUnauthorized, "missing Authorization header");
  if (request.header_count("Authorization") > 1) {
    return fail(ErrorCode::kUnauthorized, "more than one Authorization header");
  }
  return auth::bearer_token(*header);
}

http::Route Gateway::find_route(std::string_view path) const {
  return server::find_route(path);
}

std::optional<http::Response> Gateway::on_head(http::Request& request) {
  if (auto refusal = refuse_route(request)) return refusal;
  if (endpoint_of(request) == Endpoint::kPush) return refuse_early(request);
  // A stranger's, as a rule, and no endpoint but the push looks at one: what he sends must not take
  // the room for pushes.
  request.keeps_body = false;
  return std::nullopt;
}

std::optional<http::Response> Gateway::refuse_early(http::Request& request) {
  const auto token = token_of(request);
  if (!token) return answer_of(token.error());
  std::optional<auth::AuthResult> identity = authenticator_.authenticate_now(*token);
  if (!identity) {
    authenticator_.begin_fetch();  // the body is read meanwhile
  } else if (!*identity) {
    return answer_of(identity->error());
  }
  if (!is_ready_) return http::error_response(503, kNotServing);
  if (identity) request.context = std::move(**identity);
  return std::nullopt;
}

std::optional<auth::AuthResult> Gateway::identify(const http::Request& request) {
  if (request.context != nullptr) {
    auto identity = std::static_pointer_cast<const auth::Identity>(request.context);
    if (auto holds = authenticator_.check_again(*identity); !holds) {
      return std::unexpected(std::move(holds.error()));
    }
    return identity;
  }
  const auto token = token_of(request);
  if (!token) return std::unexpected(token.error());
  return authenticator_.authenticate_now(*token);
}

void Gateway::on_request(http::Request& request, http::Responder responder) {
  switch (endpoint_of(request)) {
    case Endpoint::kHealth:
      responder.respond(health_answer(health_()));
      return;
    case Endpoint::kMetrics:
      responder.respond(metrics_answer());
      return;
    case Endpoint::kSocket:  // authenticates by its first message
      if (!serves_) break;
      return sockets_.open(request, app_id_of(request), responder);
    default:
      break;
  }
  if (!serves_) {
    responder.respond(http::error_response(503, kNotServing));
    return;
  }
  serve_user(request, responder);
}

void Gateway::serve_user(http::Request& request, http::Responder responder) {
  if (auto identity = identify(request)) return serve(request, std::move(*identity), responder);
  const auto go_on = [this, &request, responder](auth::AuthResult identity) {
    // The request is there as long as somebody waits for its answer.
    if (responder.waiting()) serve(request, std::move(identity), responder);
  };
  authenticator_.authenticate(*token_of(request), go_on);
}

void Gateway::serve(http::Request& request, auth::AuthResult identity, http::Responder responder) {
  if (!identity) {
    responder.respond(answer_of(identity.error()));
    return;
  }
  const SharedText& user_id = (*identity)->user_id;
  if (!rates_.admits(user_id)) {
    responder.respond(http::error_response(429, "too many requests of this user"));
    return;
  }
  const auto done = [responder](Result<GatheredText> body) {
    responder.respond(answer_of(std::move(body)));
  };
  std::string app_id = *app_id_of(request);
  const Endpoint endpoint = endpoint_of(request);
  if (endpoint == Endpoint::kPush) {
    auto push = read_push(request, user_id, std::move(app_id));
    if (!push) return done(std::unexpected(push.error()));
    engine_.push(std::move(*push), done);
  } else if (endpoint == Endpoint::kPull) {
    auto pull = read_pull(request, user_id, std::move(app_id));
    if (!pull) return done(std::unexpected(pull.error()));
    engine_.pull(std::move(*pull), done);
  } else {
    auto from = read_follow(request, user_id, std::move(app_id));
    if (!from) return done(std::unexpected(from.error()));
    followers_.follow(std::move(*from), std::move(*identity), responder);
  }
}

http::Response Gateway::metrics_answer() {
  const Health health = health_();
  connections_.set(static_cast<int64_t>(health.connections));
  http_connections_.set(
      static_cast<int64_t>(health.connections - sockets_.size() - followers_.size()));
  users_.set(static_cast<int64_t>(health.users));
  process_.update();
  http::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_.render();
  return response;
}

void Gateway::on_answer(const http::Request* request, const http::Response& response,
                        int64_t duration_ns) {
  const Endpoint endpoint = request == nullptr ? Endpoint::kNone : endpoint_of(*request);
  requests_.count(endpoint, response.status, duration_ns);
}

}  // namespace mana_sync::server
