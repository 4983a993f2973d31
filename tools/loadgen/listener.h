// A device that waits for news of its user's changes: over a WebSocket (PROTOCOL §6) or
// server-sent events (PROTOCOL §7).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "network.h"

namespace simdjson::dom {
class parser;
}

namespace mana_sync::loadgen {

class ListenerEvents {
 public:
  virtual ~ListenerEvents() = default;
  // It is authenticated: from now on nothing is missed.
  virtual void on_ready(size_t listener) = 0;
  // These tables have changes.
  virtual void on_tables(size_t listener, std::span<const std::string_view> tables) = 0;
  // It could not be opened, or has ended without cut(). It can be opened again from here.
  virtual void on_ended(size_t listener, std::string_view reason) = 0;
};

class Listener {
 public:
  enum class Kind { kWebSocket, kServerSentEvents };
  struct Identity {
    size_t number;  // what the events are told
    std::string app;
    std::string token;
    std::string client_id;
  };
  // What all listeners of a run share.
  struct Shared {
    Network& network;
    simdjson::dom::parser& json;
    ListenerEvents& events;
  };

  // What `shared` refers to must outlive it.
  [[nodiscard]] static std::unique_ptr<Listener> make(Kind kind, const Shared& shared,
                                                      Identity identity);
  virtual ~Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // REQUIRES: it was not opened, or has ended or was cut since.
  virtual void open() = 0;
  // Ends the TCP connection at once. No call comes after it.
  virtual void cut() = 0;

 protected:
  Listener() = default;
};

}  // namespace mana_sync::loadgen
