// Frames as bytes: a client's, right and wrong, and those that a server is to send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mana_sync::ws {

// A client's frame as a test wants it: right unless told otherwise.
struct ClientFrame {
  int opcode = 1;
  std::string payload = {};
  bool is_final = true;
  int reserved_bits = 0;
  bool is_masked = true;
  std::string mask = "\x37\xfa\x21\x3d";
  int length_bytes = -1;                   // of the extended length; -1: the shortest form
  std::optional<uint64_t> announced = {};  // a payload length other than the payload's

  [[nodiscard]] std::string bytes() const;
};

[[nodiscard]] std::string text(std::string payload);
[[nodiscard]] std::string part(int opcode, std::string payload, bool is_final);
[[nodiscard]] std::string ping(std::string payload);
[[nodiscard]] std::string close(int code, std::string reason = "");
// A close frame with just that payload.
[[nodiscard]] std::string raw_close(std::string payload);

// What the server is to send.
[[nodiscard]] std::string server_frame(int opcode, std::string_view payload);
[[nodiscard]] std::string server_close(int code, std::string_view reason = "");

}  // namespace mana_sync::ws
