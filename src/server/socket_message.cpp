#include "socket_message.h"

#include <simdjson.h>

#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

namespace dom = simdjson::dom;

std::optional<std::string_view> string_of(const dom::object& members, std::string_view name) {
  std::string_view text;
  if (members.at_key(name).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

bool has_value(const dom::object& members, std::string_view name) {
  dom::element value;
  return members.at_key(name).get(value) == simdjson::SUCCESS && !value.is_null();
}

}  // namespace

struct SocketMessageReader::Impl {
  dom::parser parser{limits::kWebSocketMessageBytesMax};
};

SocketMessageReader::SocketMessageReader() : impl_(std::make_unique<Impl>()) {}
SocketMessageReader::~SocketMessageReader() = default;

SocketMessage SocketMessageReader::read(std::string_view text) {
  SocketMessage message;
  dom::object members;
  if (impl_->parser.parse(text.data(), text.size()).get_object().get(members) !=
      simdjson::SUCCESS) {
    return message;
  }
  const auto type = string_of(members, "type");
  if (type == "ping") message.type = SocketMessage::Type::kPing;
  if (type != "auth") return message;
  message.type = SocketMessage::Type::kAuth;
  message.token = string_of(members, "token").value_or("");
  if (!has_value(members, "clientId")) return message;
  const auto client_id = string_of(members, "clientId");
  message.has_bad_client_id = !client_id || client_id->size() > limits::kClientIdBytesMax;
  if (!message.has_bad_client_id) message.client_id = *client_id;
  return message;
}

}  // namespace mana_sync::server
