// Why a WebSocket is closed (RFC 6455 §7.4), as the server says it.
#pragma once

#include <cstdint>

namespace mana_sync::ws {

enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kInvalidText = 1007,
  kPolicyViolation = 1008,
  kTooBig = 1009,
  kInternalError = 1011,
  kServiceRestart = 1012,  // IANA's registry; so the next
  kTryAgainLater = 1013,
};

}  // namespace mana_sync::ws
