#include "mana_sync/http/server.h"

#include <unistd.h>

#include <utility>

#include "connection.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/net/listener.h"

namespace mana_sync::http {
namespace {

class LoopServer final : public Server, public ConnectionOwner {
 public:
  LoopServer(net::Loop& loop, Handler& handler, ServerOptions options)
      : context_{loop, handler, std::move(options), DateCache(loop.clock()),
                 RefusedCounters(loop.metrics())} {}

  Result<void> listen() {
    auto listener = net::Listener::listen(context_.loop, context_.options.listen_address,
                                          context_.options.port, [this](int fd) { on_accept(fd); });
    if (!listener.has_value()) return std::unexpected(std::move(listener.error()));
    listener_ = std::move(*listener);
    return {};
  }

  uint16_t port() const override { return listener_->port(); }
  size_t connection_count() const override { return connections_.size(); }
  bool drained() const override { return connections_.size() == 0; }

  void begin_shutdown() override {
    listener_->close();
    connections_.for_each([](SlotId, Connection& connection) { connection.begin_shutdown(); });
  }

  void abort_all() override {
    listener_->close();
    connections_.for_each([](SlotId, Connection& connection) { connection.abort(); });
  }

 private:
  void on_accept(int fd) {
    const size_t count = connections_.size();
    const size_t connections_max = context_.options.connections_max;
    if (count >= connections_max + limits::kOverloadConnectionsMax) {
      context_.refused.count(503);
      ::close(fd);
      return;
    }
    const SlotId id = connections_.insert(
        std::make_unique<Connection>(context_, *this, count >= connections_max));
    connections_.find(id)->open(id, fd);
  }

  Responder make_connection_responder(SlotId connection, uint64_t request_number) override {
    return make_responder(*this, connection, request_number);
  }
  void on_connection_closed(SlotId connection) override { connections_.remove(connection); }

  bool respond_to(SlotId id, uint64_t request_number, Response response) override {
    Connection* connection = connections_.find(id);
    return connection != nullptr && connection->answer(request_number, std::move(response));
  }
  bool is_waiting(SlotId id, uint64_t request_number) const override {
    const Connection* connection = connections_.find(id);
    return connection != nullptr && connection->is_waiting(request_number);
  }

  ConnectionContext context_;
  SlotMap<Connection> connections_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace

bool Responder::respond(Response response) const {
  return server_ != nullptr &&
         server_->respond_to(connection_, request_number_, std::move(response));
}

bool Responder::waiting() const {
  return server_ != nullptr && server_->is_waiting(connection_, request_number_);
}

Responder Server::make_responder(Server& server, SlotId connection, uint64_t request_number) {
  Responder responder;
  responder.server_ = &server;
  responder.connection_ = connection;
  responder.request_number_ = request_number;
  return responder;
}

Result<std::unique_ptr<Server>> Server::start(net::Loop& loop, Handler& handler,
                                              ServerOptions options) {
  auto server = std::make_unique<LoopServer>(loop, handler, std::move(options));
  if (auto listening = server->listen(); !listening.has_value()) {
    return std::unexpected(std::move(listening.error()));
  }
  return server;
}

}  // namespace mana_sync::http
