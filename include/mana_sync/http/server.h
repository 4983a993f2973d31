// HTTP/1.1 on the loop (PROTOCOL §9): accepts connections, reads requests one after the other on
// each, hands them to one handler and writes the answers in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/http/cors.h"
#include "mana_sync/http/message.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::http {

class Server;

// Whom to answer. Copyable; harmless after the connection is gone or the request was answered.
class Responder {
 public:
  // Sends the answer; `status`, headers and body as given. For HEAD the body is left out and its
  // length told. Returns false if nobody waits for it any more. Of the handler's functions only
  // on_answer is called before it returns.
  bool respond(Response response) const;
  // True while the request still waits for its answer and its client is there.
  [[nodiscard]] bool waiting() const;

 private:
  friend class Server;
  Server* server_ = nullptr;
  SlotId connection_;
  uint64_t request_number_ = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // The head is complete, the body not yet read; `request.context` may be set. An answer refuses
  // the request here: with a body still to come the connection closes after it (PROTOCOL 9.3).
  virtual std::optional<Response> on_head(Request& request) = 0;
  // The whole request. It must be answered through `responder`, now or later; `request` stays
  // valid until then, or until the client has gone.
  virtual void on_request(Request& request, Responder responder) = 0;
  // An answer (the connection's own refusals among them) is about to be sent; `route` metrics
  // belong here. `request` is nullptr where the head could not be read.
  virtual void on_answer(const Request* request, const Response& response, int64_t duration_ns) = 0;
};

struct ServerOptions {
  std::string listen_address = "::";
  uint16_t port = 3050;  // 0: any
  size_t body_bytes_max = 0;
  size_t connections_max = 0;
  // Request bodies in memory, of all connections together; beyond: 503.
  size_t bodies_bytes_max = limits::kBodiesBytesMax;
  CorsPolicy cors;
};

// REQUIRES: destroyed only after drained() is true, or with the loop stopped for good.
class Server {
 public:
  // `handler` and `loop` must outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(net::Loop& loop, Handler& handler,
                                                             ServerOptions options);
  virtual ~Server() = default;

  [[nodiscard]] virtual uint16_t port() const = 0;
  [[nodiscard]] virtual size_t connection_count() const = 0;

  // Stops accepting, closes idle connections, and lets each busy one finish its request with
  // `Connection: close`.
  virtual void begin_shutdown() = 0;
  // No connection is left.
  [[nodiscard]] virtual bool drained() const = 0;
  // Closes what is left, without waiting for answers or for clients to read them.
  virtual void abort_all() = 0;

 protected:
  friend class Responder;
  static Responder make_responder(Server& server, SlotId connection, uint64_t request_number);
  virtual bool respond_to(SlotId connection, uint64_t request_number, Response response) = 0;
  [[nodiscard]] virtual bool is_waiting(SlotId connection, uint64_t request_number) const = 0;
};

}  // namespace mana_sync::http
