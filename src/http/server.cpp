#include "mana_sync/http/server.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/net/listener.h"

namespace mana_sync::http {
namespace {

constexpr Refusal kOverloaded{503, "too many connections"};
constexpr Refusal kAddressOverloaded{503, "too many connections from this address"};

// A connection that has left HTTP: passes on what its socket tells, and ends with it.
class UpgradedSlot final : public net::SocketEvents {
 public:
  UpgradedSlot(net::StreamSocket& socket, std::unique_ptr<UpgradedConnection> connection,
               AddressCounts::Share address)
      : socket_(socket), connection_(std::move(connection)), address_(std::move(address)) {}

  // Called once, first. `slots` owns this under `id`, and must outlive it.
  void open(SlotMap<UpgradedSlot>& slots, SlotId id, std::string unread) {
    slots_ = &slots;
    id_ = id;
    socket_.hand_over(*this, std::move(unread));
    connection_->on_open(socket_);
  }
  void begin_shutdown() { connection_->on_shutdown(); }
  void abort() { socket_.abort(); }

  void on_receive(std::string_view bytes) override { connection_->on_receive(bytes); }
  void on_peer_finished() override { connection_->on_peer_finished(); }
  void on_sent(size_t pending_bytes) override { connection_->on_sent(pending_bytes); }
  void on_closed() override {
    connection_->on_closed();
    slots_->remove(id_);  // this is gone
  }

 private:
  net::StreamSocket& socket_;
  const std::unique_ptr<UpgradedConnection> connection_;
  const AddressCounts::Share address_;
  SlotMap<UpgradedSlot>* slots_ = nullptr;
  SlotId id_;
};

class LoopServer final : public Server, public ConnectionOwner {
 public:
  LoopServer(net::Loop& loop, Handler& handler, ServerOptions options)
      : context_{loop,
                 handler,
                 std::move(options),
                 DateCache(loop.clock()),
                 RefusedCounters(loop.metrics()),
                 BoundMetrics(loop.metrics())} {}

  Result<void> listen() {
    const ServerOptions& options = context_.options;
    const auto accept = [this](int fd) { on_accept(fd); };
    auto listener =
        options.inherited_socket >= 0
            ? net::Listener::inherit(context_.loop, options.inherited_socket, accept)
            : net::Listener::listen(context_.loop, options.listen_address, options.port, accept);
    if (!listener.has_value()) return std::unexpected(std::move(listener.error()));
    listener_ = std::move(*listener);
    return {};
  }

  uint16_t port() const override { return listener_->port(); }
  size_t connection_count() const override { return connections_.size() + upgraded_.size(); }
  bool drained() const override { return connection_count() == 0; }
  bool is_quiet() const override {
    // All are looked at only when it is likely.
    const bool requests_may_come =
        connections_.size() > 0 && context_.loop.now_ns() < context_.requests_end_ns;
    if (requests_may_come || context_.bounds.requests.value() > 0) return false;
    return listener_->has_ended() &&
           connections_.all_of([](const Connection& connection) { return connection.is_over(); });
  }

  void pause_accepting() override { listener_->pause(); }
  void resume_accepting() override { listener_->resume(); }

  void begin_shutdown() override {
    if (context_.is_ending()) return;
    context_.requests_end_ns = context_.loop.now_ns() + limits::kShutdownQuietMs * kNsPerMs;
    listener_->close();
    connections_.for_each([](SlotId, Connection& connection) { connection.begin_shutdown(); });
    upgraded_.for_each([](SlotId, UpgradedSlot& slot) { slot.begin_shutdown(); });
  }

  void abort_all() override {
    listener_->close();
    connections_.for_each([](SlotId, Connection& connection) { connection.abort(); });
    upgraded_.for_each([](SlotId, UpgradedSlot& slot) { slot.abort(); });
  }

 private:
  // Why a new connection is not served; nullptr: it is.
  const Refusal* find_refusal(const AddressCounts::Share& address) {
    if (address.connections() > context_.options.address_connections_max) {
      context_.bounds.address_connections_refused.add();
      return &kAddressOverloaded;
    }
    if (connection_count() < context_.options.connections_max) return nullptr;
    context_.bounds.connections_refused.add();
    return &kOverloaded;
  }

  // Some of those that are not served are told so.
  bool has_room_to_tell(const AddressCounts::Share& address) const {
    const ServerOptions& options = context_.options;
    return connection_count() < options.connections_max + limits::kOverloadConnectionsMax &&
           address.connections() <=
               options.address_connections_max + limits::kOverloadAddressConnectionsMax;
  }

  void on_accept(int fd) {
    AddressCounts::Share address;
    if (context_.options.address_connections_max > 0) address = addresses_.count_peer(fd);
    const Refusal* const refusal = find_refusal(address);
    if (!has_room_to_tell(address)) {
      context_.refused.count(503);
      ::close(fd);
      return;
    }
    const SlotId id = connections_.insert(
        std::make_unique<Connection>(context_, *this, std::move(address), refusal));
    connections_.find(id)->open(id, fd);
  }

  Responder make_connection_responder(SlotId connection, uint64_t request_number) override {
    return make_responder(*this, connection, request_number);
  }
  void on_connection_closed(SlotId connection) override { connections_.remove(connection); }

  // Looks at all connections, but seldom.
  void shed_slow_bodies(size_t bytes) override {
    const int64_t now_ns = context_.loop.now_ns();
    if (now_ns < slow_bodies_due_ns_) return;
    slow_bodies_due_ns_ = now_ns + limits::kSlowBodiesIntervalMs * kNsPerMs;
    std::vector<std::pair<int64_t, Connection*>> slow;  // since when
    connections_.for_each([&](SlotId, Connection& connection) {
      const auto begun_ns = connection.body_begun_ns();
      if (!begun_ns || now_ns - *begun_ns < limits::kSlowBodyMs * kNsPerMs) return;
      slow.emplace_back(*begun_ns, &connection);
    });
    std::ranges::sort(slow);
    const size_t max = context_.options.bodies_bytes_max;
    const size_t wanted = max - max / limits::kBodiesFreedShare;
    for (const auto& [begun_ns, connection] : slow) {
      const auto held = static_cast<size_t>(context_.bounds.bodies_bytes.value());
      if (held + bytes <= wanted) return;
      connection->drop_body();
    }
  }

  void on_connection_upgraded(SlotId connection, net::StreamSocket& socket,
                              std::unique_ptr<UpgradedConnection> next,
                              std::string unread) override {
    AddressCounts::Share address = connections_.remove(connection)->take_address();
    const SlotId id = upgraded_.insert(
        std::make_unique<UpgradedSlot>(socket, std::move(next), std::move(address)));
    UpgradedSlot& slot = *upgraded_.find(id);
    slot.open(upgraded_, id, std::move(unread));
    if (context_.is_ending()) slot.begin_shutdown();
  }

  Connection* find_connection(SlotId connection) const override {
    return connections_.find(connection);
  }

  ConnectionContext context_;
  AddressCounts addresses_;  // outlives the connections
  SlotMap<Connection> connections_;
  SlotMap<UpgradedSlot> upgraded_;
  int64_t slow_bodies_due_ns_ = 0;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace

// --- Responder ---

Connection* Responder::connection() const {
  return server_ == nullptr ? nullptr : server_->find_connection(connection_);
}

bool Responder::respond(Response response) const {
  Connection* const found = connection();
  return found != nullptr && found->answer(request_number_, std::move(response));
}

StreamedResponse Responder::stream(Response response, StreamEvents& events) const {
  StreamedResponse stream;
  if (!waiting()) return stream;
  connection()->begin_stream(request_number_, std::move(response), events);
  stream.server_ = server_;
  stream.connection_ = connection_;
  stream.request_number_ = request_number_;
  return stream;
}

bool Responder::upgrade(Response response, std::unique_ptr<UpgradedConnection> next) const {
  Connection* const found = connection();
  return found != nullptr && found->upgrade(request_number_, std::move(response), std::move(next));
}

bool Responder::waiting() const {
  const Connection* const found = connection();
  return found != nullptr && found->is_waiting(request_number_);
}

// --- StreamedResponse ---

Connection* StreamedResponse::connection() const {
  return server_ == nullptr ? nullptr : server_->find_connection(connection_);
}

bool StreamedResponse::is_open() const {
  const Connection* const found = connection();
  return found != nullptr && found->is_streaming(request_number_);
}

bool StreamedResponse::send(GatheredText bytes) const {
  if (!is_open()) return false;
  connection()->send_piece(std::move(bytes));
  return true;
}

size_t StreamedResponse::pending_bytes() const {
  return is_open() ? connection()->pending_bytes() : 0;
}

void StreamedResponse::end() const {
  if (Connection* const found = connection()) found->end_stream(request_number_);
}

// --- Server ---

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
