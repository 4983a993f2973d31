#include "gateway.h"

#include <memory>
#include <optional>

#include "answers.h"
#include "sync_endpoints.h"

namespace mana_sync::server {
namespace {

constexpr std::string_view kNotServing =
    "another server serves now, or the database cannot be reached";

// What is known of a push's token between its head and its end.
struct Verdict {
  std::optional<auth::AuthResult> result;  // nullopt: a key must be fetched first
  auth::AuthCallback waiting;              // the body came before the key
};

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

std::optional<http::Response> Gateway::on_head(http::Request& request) {
  const auto route = find_route(request);
  if (!route) return route.error();
  if (route->endpoint != Endpoint::kPush) return std::nullopt;
  return refuse_early(request);
}

std::optional<http::Response> Gateway::refuse_early(http::Request& request) {
  const auto token = token_of(request);
  if (!token) return answer_of(token.error());
  // It may come later, where a key must be fetched first; the body is read meanwhile.
  const auto verdict = std::make_shared<Verdict>();
  authenticator_.authenticate(*token, [verdict](auth::AuthResult result) {
    if (verdict->waiting) return verdict->waiting(std::move(result));
    verdict->result = std::move(result);
  });
  if (verdict->result && !*verdict->result) return answer_of(verdict->result->error());
  if (!is_ready_) return http::error_response(503, kNotServing);
  request.context = verdict;
  return std::nullopt;
}

void Gateway::identify(const http::Request& request, auth::AuthCallback done) {
  if (request.context == nullptr) {
    const auto token = token_of(request);
    if (!token) return done(std::unexpected(token.error()));
    return authenticator_.authenticate(*token, std::move(done));
  }
  auto& verdict = *static_cast<Verdict*>(request.context.get());
  if (verdict.result) return done(std::move(*verdict.result));
  verdict.waiting = std::move(done);
}

void Gateway::on_request(http::Request& request, http::Responder responder) {
  auto route = find_route(request);
  if (!route) {
    responder.respond(std::move(route.error()));
    return;
  }
  switch (route->endpoint) {
    case Endpoint::kHealth:
      responder.respond(health_answer(health_()));
      return;
    case Endpoint::kMetrics:
      responder.respond(metrics_answer());
      return;
    case Endpoint::kSocket:  // authenticates by its first message
      if (!serves_) break;
      return sockets_.open(request, std::move(route->app_id), responder);
    default:
      break;
  }
  if (!serves_) {
    responder.respond(http::error_response(503, kNotServing));
    return;
  }
  identify(request,
           [this, route = std::move(*route), &request, responder](auth::AuthResult identity) {
             // The request is there as long as somebody waits for its answer.
             if (!responder.waiting()) return;
             if (!identity) {
               responder.respond(answer_of(identity.error()));
             } else if (!rates_.admits((*identity)->user_id)) {
               responder.respond(http::error_response(429, "too many requests of this user"));
             } else {
               serve(route, request, std::move(*identity), responder);
             }
           });
}

void Gateway::serve(const Route& route, http::Request& request,
                    std::shared_ptr<const auth::Identity> identity, http::Responder responder) {
  const auto done = [responder](Result<GatheredText> body) {
    responder.respond(answer_of(std::move(body)));
  };
  const std::string& app_id = *route.app_id;
  if (route.endpoint == Endpoint::kPush) {
    auto push = read_push(request, identity->user_id, app_id);
    if (!push) return done(std::unexpected(push.error()));
    engine_.push(std::move(*push), done);
  } else if (route.endpoint == Endpoint::kPull) {
    auto pull = read_pull(request, identity->user_id, app_id);
    if (!pull) return done(std::unexpected(pull.error()));
    engine_.pull(std::move(*pull), done);
  } else {
    auto from = read_follow(request, identity->user_id, app_id);
    if (!from) return done(std::unexpected(from.error()));
    followers_.follow(std::move(*from), std::move(identity), responder);
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
  const auto endpoint = request == nullptr ? std::nullopt : find_endpoint(request->path);
  requests_.count(endpoint, response.status, duration_ns);
}

}  // namespace mana_sync::server
