// The opening handshake of a WebSocket (RFC 6455 §4.2, PROTOCOL 6.6).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "mana_sync/http/message.h"

namespace mana_sync::ws {

// What Responder::upgrade() is to be given for `request`: `Upgrade` and `Sec-WebSocket-Accept`. No
// extension and no subprotocol is ever agreed on. Or the refusal: 426 with `Upgrade: websocket` for
// a request that asks for no WebSocket, 426 with `Sec-WebSocket-Version: 13` for another version,
// 400 for what is malformed.
[[nodiscard]] std::expected<http::Response, http::Response> answer_handshake(
    const http::Request& request);

// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2). Empty if SHA-1
// cannot be had from libcrypto.
[[nodiscard]] std::string accept_value(std::string_view key);

}  // namespace mana_sync::ws
