// Answers whose body is made while it is sent, for server-sent events.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/base/slot_map.h"

namespace mana_sync::http {

class Connection;
class Server;

// What an answer under way tells who writes it. Every call is on the loop's thread, never from
// within a call of StreamedResponse or Responder.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // The kernel took some output; `pending_bytes` still wait.
  virtual void on_sent(size_t pending_bytes) = 0;
  // The last call: the connection is gone (the client went away, took nothing for
  // kSendStallTimeoutMs, or the server stops), and the answer has ended without end().
  virtual void on_gone() = 0;
};

// An answer under way, from Responder::stream() to end(). Copyable; harmless after its end.
class StreamedResponse {
 public:
  // One that has ended.
  StreamedResponse() = default;

  // True while somebody takes what is sent.
  [[nodiscard]] bool is_open() const;
  // Queues the next bytes of the body; they leave at the end of the tick. Returns is_open().
  // REQUIRES: a writer that looks at pending_bytes(): nothing else bounds what is queued.
  bool send(GatheredText bytes) const;
  // Output that the kernel has not taken yet; 0 after the end.
  [[nodiscard]] size_t pending_bytes() const;
  // Ends the body. The connection then reads its next request, or closes as its client was told.
  // No call of StreamEvents comes after it, even where the answer had ended already.
  void end() const;

 private:
  friend class Responder;
  [[nodiscard]] Connection* connection() const;

  Server* server_ = nullptr;
  SlotId connection_;
  uint64_t request_number_ = 0;
};

}  // namespace mana_sync::http
