// The server's configuration: environment variables, each with a default that works on a
// developer's machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "mana_sync/base/log.h"
#include "mana_sync/base/result.h"
#include "mana_sync/http/cors.h"

namespace mana_sync::server {

// Within the bounds that the variables of these names may have (describe_variables()).
struct Config {
  uint16_t port = 0;  // 0: any free one
  std::string listen_address;
  std::string database_url;
  std::string jwks_url;
  http::CorsPolicy cors;
  size_t body_bytes_max = 0;
  size_t connections_max = 0;
  size_t address_connections_max = 0;       // 0: any number
  size_t user_requests_per_second_max = 0;  // 0: any number
  size_t bodies_bytes_max = 0;
  size_t output_bytes_max = 0;
  size_t cache_bytes_max = 0;  // 0: nothing is kept
  int64_t clock_skew_ms_max = 0;
  int write_connections = 0;
  int read_connections = 0;
  std::string jwt_issuer;    // empty: any
  std::string jwt_audience;  // empty: any
  bool core_dumps = false;
  LogLevel log_level = LogLevel::kInfo;
};

// The value of an environment variable; nullopt where it is not set. One that is set and empty
// counts as not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// kInvalid: one line that names the variable, what it was and what it may be. Secrets in
// DATABASE_URL are left out of it.
[[nodiscard]] Result<Config> read_config(const Environment& environment);

// The variables with their defaults and meanings, for --help.
[[nodiscard]] std::string describe_variables();

// What is in force, a line each, for --check-config; secrets left out.
[[nodiscard]] std::string describe_settings(const Environment& environment);

}  // namespace mana_sync::server
