// The oracle of the HTTP fuzzer: RFC 9112 and PROTOCOL 9.3 read strictly, with all bytes at once,
// in code that shares nothing with the server's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mana_sync::fuzz {

struct PlainRequest {
  std::string method;
  std::string target;
  int version_minor = 1;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// Takes one request from the front of `bytes`; nullopt: they begin with none that may be served.
[[nodiscard]] std::optional<PlainRequest> take_request(std::string_view& bytes);

}  // namespace mana_sync::fuzz
