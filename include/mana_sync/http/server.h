// HTTP/1.1 on the loop (PROTOCOL §9): accepts connections, reads requests one after the other on
// each, hands them to one handler and writes the answers in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/http/cors.h"
#include "mana_sync/http/message.h"
#include "mana_sync/http/streamed_response.h"
#include "mana_sync/http/upgrade.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::http {

class Connection;
class Server;

// Whom to answer. Copyable; harmless after the connection is gone or the request was answered. Of
// the handler's functions only on_answer is called from within its own.
class Responder {
 public:
  // Sends the answer; `status`, headers and body as given. For HEAD the body is left out and its
  // length told. Returns false if nobody waits for it any more.
  bool respond(Response response) const;
  // Sends the answer's head at once, and its body as the first piece of what is to come: chunked to
  // HTTP/1.1, up to the connection's end to HTTP/1.0. `events` is told how it goes and must live
  // until on_gone() or StreamedResponse::end(), or until the server is destroyed. What comes back
  // has ended already where nobody waits any more, for HEAD, and while the server stops; then
  // `events` is never called. Of a streamed answer a client that finishes sending takes no more.
  StreamedResponse stream(Response response, StreamEvents& events) const;
  // Answers 101 with the headers of `response` (`Upgrade` is among them; `Connection: Upgrade` is
  // added), and makes the connection `next`. Returns false, and destroys `next`, if nobody waits
  // any more. REQUIRES: the request asked for it, in HTTP/1.1 (RFC 9110 §7.8).
  bool upgrade(Response response, std::unique_ptr<UpgradedConnection> next) const;
  // True while the request still waits for its answer and its client is there.
  [[nodiscard]] bool waiting() const;

 private:
  friend class Server;
  [[nodiscard]] Connection* connection() const;

  Server* server_ = nullptr;
  SlotId connection_;
  uint64_t request_number_ = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Where a path leads: told once a request, when its head is complete, and from then on in
  // `request.route`. A handler that does not care has one place for all.
  [[nodiscard]] virtual Route find_route(std::string_view /*path*/) const { return {}; }
  // The head is complete, the body not yet read; `request.context` may be set. An answer refuses
  // the request here: with a body still to come the connection closes after it (PROTOCOL 9.3).
  virtual std::optional<Response> on_head(Request& request) = 0;
  // The whole request. It must be answered through `responder`, now or later; `request` stays
  // valid until then, or until the client has gone.
  virtual void on_request(Request& request, Responder responder) = 0;
  // An answer (the connection's own refusals among them) is about to be sent; metrics of routes
  // belong here. `request` is nullptr where the head could not be read. `duration_ns`: since the
  // head was complete.
  virtual void on_answer(const Request* request, const Response& response, int64_t duration_ns) = 0;
};

struct ServerOptions {
  std::string listen_address = "::";  // as net::Listener takes it
  uint16_t port = 3050;               // 0: any
  // A socket that listens already (net::Listener::inherit()), in place of the two; -1: there is
  // none.
  int inherited_socket = -1;
  size_t body_bytes_max = 0;   // of one request; beyond: 413
  size_t connections_max = 0;  // upgraded ones among them; beyond: refused
  // Of one IPv4 address, or one /64 of IPv6; 0: any number.
  size_t address_connections_max = 0;
  // Request bodies in memory, of all connections together; beyond: 503.
  size_t bodies_bytes_max = limits::kBodiesBytesMaxDefault;
  // Their heads, and what waits behind them; beyond: 503, or the end of the connection.
  size_t input_bytes_max = limits::kInputBytesMax;
  CorsPolicy cors;
};

// One thread, the loop's, from which all calls of the handler come. REQUIRES: destroyed only after
// drained() is true, or with the loop stopped for good.
class Server {
 public:
  // `handler` and `loop` must outlive the server. Fails as net::Listener::listen() does.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(net::Loop& loop, Handler& handler,
                                                             ServerOptions options);
  virtual ~Server() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  // Upgraded ones among them.
  [[nodiscard]] virtual size_t connection_count() const = 0;

  // New connections wait in the kernel's queue until they are resumed.
  virtual void pause_accepting() = 0;
  virtual void resume_accepting() = 0;

  // Stops accepting, lets each busy connection finish its request with `Connection: close`, ends
  // streamed answers, and tells upgraded connections. Idle ones close after
  // limits::kShutdownQuietMs: a request that was on its way to them is still answered.
  virtual void begin_shutdown() = 0;
  // No request is under way, and none can come: what is left are last words and their readers.
  // REQUIRES: begin_shutdown() was called.
  [[nodiscard]] virtual bool is_quiet() const = 0;
  // No connection is left.
  [[nodiscard]] virtual bool drained() const = 0;
  // Closes what is left, without waiting for answers or for clients to read them.
  virtual void abort_all() = 0;

 protected:
  friend class Responder;
  friend class StreamedResponse;
  static Responder make_responder(Server& server, SlotId connection, uint64_t request_number);
  // nullptr if it is gone, or no longer speaks HTTP.
  [[nodiscard]] virtual Connection* find_connection(SlotId connection) const = 0;
};

}  // namespace mana_sync::http
