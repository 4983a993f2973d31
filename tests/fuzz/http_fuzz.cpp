// What a client may send to the HTTP server, WebSockets among it: the real connection on a real
// loop. The pieces in which bytes arrive decide nothing, and whatever a handler is asked to serve
// is a request of RFC 9112 and PROTOCOL 9.3.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connection.h"
#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "mana_sync/ws/connection.h"
#include "mana_sync/ws/handshake.h"
#include "plain_requests.h"
#include "wire.h"

namespace mana_sync::fuzz {
namespace {

constexpr size_t kBodyBytesMax = 4096;
constexpr std::string_view kOrigin = "https://app.example";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

class EchoSession final : public ws::Session {
 public:
  void on_open(ws::Connection& connection) override { connection_ = &connection; }
  void on_text(std::string_view text) override { connection_->send_text(text); }
  void on_closed() override {}

 private:
  ws::Connection* connection_ = nullptr;
};

// Answers at once, in a later tick, or piece by piece, and opens WebSockets: by the path. Notes
// what it served.
class EchoHandler final : public http::Handler, public http::StreamEvents {
 public:
  explicit EchoHandler(net::Loop& loop) : loop_(loop), sockets_(loop) {}

  std::optional<http::Response> on_head(http::Request& request) override {
    if (!request.path.starts_with("/refuse")) return std::nullopt;
    http::Response response = http::error_response(401, request.path);
    response.close = true;
    return response;
  }

  void on_request(http::Request& request, http::Responder responder) override {
    note(request);
    const std::string_view path = request.path;
    if (path.starts_with("/ws")) return open_socket(request, responder);
    http::Response response;
    response.close = path.starts_with("/close");
    response.body = std::string(request.method_name) + " " + std::string(path) + " " +
                    std::string(request.query) + "\n" + request.body;
    if (path.starts_with("/later")) {
      loop_.post([responder, response = std::move(response)]() mutable {
        responder.respond(std::move(response));
      });
    } else if (path.starts_with("/stream")) {
      const http::StreamedResponse stream = responder.stream(std::move(response), *this);
      stream.send(std::string("piece"));
      loop_.post([stream] {
        stream.send(std::string(100, 'x'));
        stream.end();
      });
    } else {
      MANA_CHECK(responder.respond(std::move(response)));
    }
  }

  void on_answer(const http::Request* request, const http::Response& response, int64_t) override {
    // The connection itself answers preflights.
    if (request != nullptr && response.status == 204) note(*request);
  }

  std::vector<PlainRequest> served;

 private:
  void on_sent(size_t) override {}
  void on_gone() override {}

  void note(const http::Request& request) {
    PlainRequest& noted = served.emplace_back();
    noted.method = request.method_name;
    noted.version_minor = request.version_minor;
    noted.target = request.path;
    if (!request.query.empty()) noted.target.append("?").append(request.query);
    for (const auto& [name, value] : request.headers) noted.headers.emplace_back(name, value);
    noted.body = request.body;
  }

  void open_socket(const http::Request& request, const http::Responder& responder) {
    auto answer = ws::answer_handshake(request);
    const bool may_upgrade = answer && request.version_minor == 1;
    if (!may_upgrade) {
      responder.respond(answer ? std::move(*answer) : std::move(answer.error()));
      return;
    }
    responder.upgrade(std::move(*answer),
                      std::make_unique<ws::Connection>(sockets_, std::make_unique<EchoSession>()));
  }

  net::Loop& loop_;
  ws::Shared sockets_;
};

// A server whose connections come from pairs of sockets: one at a time.
class PairServer final : public http::Server, public http::ConnectionOwner {
 public:
  PairServer(net::Loop& loop, http::Handler& handler)
      : context_{loop,
                 handler,
                 options(),
                 http::DateCache(loop.clock()),
                 http::RefusedCounters(loop.metrics()),
                 http::BoundMetrics(loop.metrics())} {}

  void accept(int fd) {
    id_ = connections_.insert(
        std::make_unique<http::Connection>(context_, *this, http::AddressCounts::Share{}, nullptr));
    connections_.find(id_)->open(id_, fd);
  }

  [[nodiscard]] uint16_t port() const override { return 0; }
  [[nodiscard]] size_t connection_count() const override {
    return connections_.size() + (upgraded_ == nullptr ? 0 : 1);
  }
  void pause_accepting() override {}
  void resume_accepting() override {}
  void begin_shutdown() override {}
  [[nodiscard]] bool drained() const override {
    return connection_count() == 0 && context_.bounds.bodies_bytes.value() == 0;
  }
  [[nodiscard]] bool is_quiet() const override { return drained(); }
  void abort_all() override {}

 private:
  // Tells when an upgraded connection has ended.
  struct Upgraded final : net::SocketEvents {
    Upgraded(PairServer& owner, std::unique_ptr<http::UpgradedConnection> next_in)
        : server(owner), next(std::move(next_in)) {}
    void on_receive(std::string_view bytes) override { next->on_receive(bytes); }
    void on_peer_finished() override { next->on_peer_finished(); }
    void on_sent(size_t pending_bytes) override { next->on_sent(pending_bytes); }
    void on_closed() override {
      next->on_closed();
      server.upgraded_.reset();  // this is gone
    }
    PairServer& server;
    std::unique_ptr<http::UpgradedConnection> next;
  };

  static http::ServerOptions options() {
    http::ServerOptions options;
    options.body_bytes_max = kBodyBytesMax;
    options.cors = http::CorsPolicy::parse(kOrigin).value();
    return options;
  }

  http::Responder make_connection_responder(SlotId connection, uint64_t number) override {
    return make_responder(*this, connection, number);
  }
  void shed_slow_bodies(size_t) override {}
  void on_connection_closed(SlotId connection) override { connections_.remove(connection); }
  void on_connection_upgraded(SlotId connection, net::StreamSocket& socket,
                              std::unique_ptr<http::UpgradedConnection> next,
                              std::string unread) override {
    connections_.remove(connection);
    upgraded_ = std::make_unique<Upgraded>(*this, std::move(next));
    socket.hand_over(*upgraded_, std::move(unread));
    upgraded_->next->on_open(socket);
  }
  [[nodiscard]] http::Connection* find_connection(SlotId connection) const override {
    return connections_.find(connection);
  }

  http::ConnectionContext context_;
  SlotMap<http::Connection> connections_;
  SlotId id_;
  std::unique_ptr<Upgraded> upgraded_;
};

// Whether it is sent depends on whether the body is there already (RFC 9110 §10.1.1).
std::string without_continue(std::string answer) {
  for (size_t at = 0; (at = answer.find(kContinue, at)) != std::string::npos;) {
    answer.erase(at, kContinue.size());
  }
  return answer;
}

// `path?query` of a target that may be absolute (RFC 9112 §3.2.2).
std::string origin_form(std::string_view target) {
  const size_t scheme_bytes = target.starts_with('/') ? std::string_view::npos : target.find("://");
  if (scheme_bytes != std::string_view::npos) {
    target.remove_prefix(scheme_bytes + 3);
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
  }
  const size_t path_bytes = std::min(target.find('?'), target.size());
  std::string form(path_bytes == 0 ? "/" : target.substr(0, path_bytes));
  target.remove_prefix(path_bytes);
  if (target.size() > 1) form += target;  // a lone `?` is no query
  return form;
}

void expect_plain_requests(const std::vector<PlainRequest>& served, std::string_view bytes) {
  for (const PlainRequest& request : served) {
    const auto plain = take_request(bytes);
    MANA_CHECK(plain.has_value());
    MANA_CHECK(plain->method == request.method);
    MANA_CHECK(plain->version_minor == request.version_minor);
    MANA_CHECK(origin_form(plain->target) == request.target);
    MANA_CHECK(plain->headers == request.headers);
    MANA_CHECK(plain->body == request.body);
  }
}

}  // namespace
}  // namespace mana_sync::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  static fuzz::Wire wire;
  static fuzz::EchoHandler handler(wire.loop());
  static fuzz::PairServer server(wire.loop(), handler);
  const std::string_view bytes = fuzz::text_of(data, size);
  const auto exchange = [&](fuzz::Wire::Pieces pieces) {
    handler.served.clear();
    const std::string answer = wire.exchange(
        bytes, pieces, [](int fd) { server.accept(fd); }, [] { return server.drained(); });
    fuzz::expect_plain_requests(handler.served, bytes);
    return fuzz::without_continue(answer);
  };
  const std::string whole = exchange(fuzz::Wire::Pieces::kWhole);
  const std::string in_pieces = exchange(fuzz::Wire::Pieces::kRandom);
  MANA_CHECK(whole == in_pieces);
  return 0;
}
