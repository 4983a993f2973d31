// The oracle of the WebSocket tests: a plain reading of RFC 6455 and PROTOCOL 6.5, which has all
// bytes at once.
#pragma once

#include <string>
#include <string_view>

namespace mana_sync::ws {

// What an echo server is to send, byte for byte, to a client that sends `stream` and then ends.
[[nodiscard]] std::string plain_answer(std::string_view stream);

}  // namespace mana_sync::ws
