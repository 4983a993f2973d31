// Where the server is.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "mana_sync/base/result.h"

namespace mana_sync::loadgen {

struct Endpoint {
  std::string authority;  // for `Host`: as the URL says it
  sockaddr_storage address{};
  socklen_t address_bytes = 0;

  // `http://host[:port]`, with at most a `/` behind it. Resolves the host; the first of its
  // addresses counts. Fails (kInvalid) with what is wrong.
  [[nodiscard]] static Result<Endpoint> parse(std::string_view url);
};

}  // namespace mana_sync::loadgen
