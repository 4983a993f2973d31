// From a request to its answer: route, authenticate, hand to who serves it (PROTOCOL §1, §2, §3,
// §7).
#pragma once

#include <functional>
#include <string>

#include "followers.h"
#include "health.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/http/server.h"
#include "mana_sync/store/store.h"
#include "mana_sync/sync/engine.h"
#include "process_metrics.h"
#include "request_metrics.h"
#include "request_rates.h"
#include "routes.h"
#include "sockets.h"

namespace mana_sync::server {

// One thread.
class Gateway final : public http::Handler {
 public:
  // All must outlive the gateway; `health` is asked at each /health and /metrics.
  Gateway(sync::Engine& engine, auth::Authenticator& authenticator, Followers& followers,
          Sockets& sockets, RequestRates& rates, Metrics& metrics, std::function<Health()> health);

  // How PostgreSQL stands: before the first kReady, and from kStandby on, clients get 503, and
  // those that are told of changes are sent away; while it is down pushes get 503, and pulls that
  // memory can answer go on (PROTOCOL 9.5, ARCHITECTURE §6).
  void set_store_state(store::StoreState state);

  [[nodiscard]] http::Route find_route(std::string_view path) const override;
  std::optional<http::Response> on_head(http::Request& request) override;
  void on_request(http::Request& request, http::Responder responder) override;
  void on_answer(const http::Request* request, const http::Response& response,
                 int64_t duration_ns) override;

 private:
  // The token of a request, or why there is none that counts.
  [[nodiscard]] static Result<std::string_view> token_of(const http::Request& request);
  // Refuses what is certain to fail before its body is read.
  [[nodiscard]] std::optional<http::Response> refuse_early(http::Request& request);
  // Whose request it is: a push's token was looked at when its head came, and is not read again.
  // nullopt: a key must be fetched first.
  [[nodiscard]] std::optional<auth::AuthResult> identify(const http::Request& request);
  void serve_user(http::Request& request, http::Responder responder);
  void serve(http::Request& request, auth::AuthResult identity, http::Responder responder);

  [[nodiscard]] http::Response metrics_answer();

  sync::Engine& engine_;
  auth::Authenticator& authenticator_;
  Followers& followers_;
  Sockets& sockets_;
  RequestRates& rates_;
  Metrics& metrics_;
  // What /metrics tells of health().
  Gauge& connections_;
  Gauge& http_connections_;
  Gauge& users_;
  const std::function<Health()> health_;
  bool serves_ = false;  // clients can be told what is true
  bool is_ready_ = false;
  RequestMetrics requests_;
  ProcessMetrics process_;
};

}  // namespace mana_sync::server
