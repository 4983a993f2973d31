#include "sockets.h"

#include <utility>

#include "mana_sync/ws/connection.h"
#include "mana_sync/ws/handshake.h"
#include "socket_session.h"

namespace mana_sync::server {
namespace {

constexpr const char* kRefusedTotal = "mana_sync_websockets_refused_total";
constexpr const char* kRefusedHelp =
    "WebSockets refused because too many others had shown no token, or closed because they had "
    "shown none in time";

}  // namespace

struct Sockets::Impl {
  Impl(net::Loop& loop, sync::Hub& hub, auth::Authenticator& authenticator, size_t max)
      : shared(loop),
        context{.loop = loop,
                .hub = hub,
                .authenticator = authenticator,
                .open = loop.metrics().gauge("mana_sync_websockets", "Open WebSockets"),
                .unauthenticated = loop.metrics().gauge("mana_sync_websockets_unauthenticated",
                                                        "WebSockets that have not shown a token"),
                .never_authenticated =
                    loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"time\"")},
        refused(loop.metrics().counter(kRefusedTotal, kRefusedHelp, "bound=\"all\"")),
        unauthenticated_max(static_cast<int64_t>(max)) {}

  ws::Shared shared;
  SocketContext context;
  Counter& refused;
  const int64_t unauthenticated_max;
};

Sockets::Sockets(net::Loop& loop, sync::Hub& hub, auth::Authenticator& authenticator,
                 size_t unauthenticated_max)
    : impl_(std::make_unique<Impl>(loop, hub, authenticator, unauthenticated_max)) {}

Sockets::~Sockets() = default;

void Sockets::open(const http::Request& request, std::optional<std::string> app_id,
                   const http::Responder& responder) {
  auto answer = ws::answer_handshake(request);
  if (!answer) {
    responder.respond(std::move(answer.error()));
    return;
  }
  if (impl_->context.unauthenticated.value() >= impl_->unauthenticated_max) {
    impl_->refused.add();
    responder.respond(http::error_response(503, "too many WebSockets have not authenticated"));
    return;
  }
  auto session = std::make_unique<SocketSession>(impl_->context, std::move(app_id));
  responder.upgrade(std::move(*answer),
                    std::make_unique<ws::Connection>(impl_->shared, std::move(session)));
}

size_t Sockets::size() const {
  return static_cast<size_t>(impl_->context.open.value());
}

void Sockets::send_all_away() {
  for (SocketSession* const session : impl_->context.sessions) session->send_away();
}

void Sockets::on_keys(const auth::KeySet& keys) {
  for (SocketSession* const session : impl_->context.sessions) session->on_keys(keys);
}

}  // namespace mana_sync::server
