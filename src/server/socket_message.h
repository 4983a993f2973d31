// What a client says over its WebSocket (PROTOCOL §6).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace mana_sync::server {

struct SocketMessage {
  enum class Type {
    kUnknown,  // or no JSON object at all: to be ignored (PROTOCOL 6.5)
    kAuth,
    kPing,
  };
  Type type = Type::kUnknown;
  std::string token{};                     // of kAuth; empty: none, or no string
  std::optional<std::string> client_id{};  // of kAuth; nullopt: none, or null
  bool has_bad_client_id = false;          // it is no string, or longer than PROTOCOL 2.10 allows
};

// One thread. Keeps its buffers for the next message.
class SocketMessageReader {
 public:
  SocketMessageReader();
  ~SocketMessageReader();

  [[nodiscard]] SocketMessage read(std::string_view text);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::server
