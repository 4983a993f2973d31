// What a client says over its WebSocket before anybody knows who it is (PROTOCOL §6).
#include <simdjson.h>

#include <string>

#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "socket_message.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  using Type = server::SocketMessage::Type;
  static server::SocketMessageReader kept;
  const std::string text(fuzz::text_of(data, size));
  const server::SocketMessage message = kept.read(text);
  // What a message is does not depend on those before it.
  const server::SocketMessage again = server::SocketMessageReader().read(text);
  MANA_CHECK(message.type == again.type && message.token == again.token &&
             message.client_id == again.client_id &&
             message.has_bad_client_id == again.has_bad_client_id);
  if (message.type == Type::kUnknown) return 0;
  MANA_CHECK(simdjson::validate_utf8(text));
  if (message.client_id) MANA_CHECK(message.client_id->size() <= 255 && !message.has_bad_client_id);
  if (message.type == Type::kPing) MANA_CHECK(message.token.empty() && !message.client_id);
  return 0;
}
