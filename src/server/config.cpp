#include "mana_sync/server/config.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>

#include "mana_sync/base/limits.h"
#include "mana_sync/store/store.h"
#include "secrets.h"

namespace mana_sync::server {
namespace {

constexpr int64_t kBytesMax = int64_t{1} << 40;

struct Variable {
  const char* name;
  std::string fallback;
  const char* meaning;
  const char* allowed;
  // false: the text is not allowed.
  bool (*set)(Config& config, const std::string& text);
};

template <class Integer>
bool set_number(Integer& target, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  if (value < min || value > max) return false;
  target = static_cast<Integer>(value);
  return true;
}

bool starts_with_any(const std::string& text, std::initializer_list<const char*> prefixes) {
  for (const char* prefix : prefixes) {
    if (text.starts_with(prefix)) return true;
  }
  return false;
}

bool set_listen_address(Config& config, const std::string& text) {
  in6_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1 &&
      inet_pton(AF_INET6, text.c_str(), &address) != 1) {
    return false;
  }
  config.listen_address = text;
  return true;
}

bool set_cors(Config& config, const std::string& text) {
  auto policy = http::CorsPolicy::parse(text);
  if (policy) config.cors = std::move(*policy);
  return policy.has_value();
}

bool set_log_level(Config& config, const std::string& text) {
  const auto level = parse_log_level(text);
  if (level) config.log_level = *level;
  return level.has_value();
}

const std::vector<Variable>& variables() {
  static const std::vector<Variable> all = {
      {"PORT", "3050", "the port to listen on; 0 takes any free one", "a number from 0 to 65535",
       [](Config& c, const std::string& t) { return set_number(c.port, t, 0, 65'535); }},
      {"MANA_SYNC_LISTEN_ADDRESS", "::", "the address to listen on; :: is IPv4 and IPv6",
       "an IPv4 or IPv6 address", set_listen_address},
      {"DATABASE_URL", "postgresql://manacore:devpassword@localhost:5432/mana_sync", "PostgreSQL",
       "a libpq URI (postgresql://…) or keyword string (host=…)",
       [](Config& c, const std::string& t) {
         c.database_url = t;
         return starts_with_any(t, {"postgresql://", "postgres://"}) ||
                t.find('=') != std::string::npos;
       }},
      {"JWKS_URL", "http://localhost:3001/api/auth/jwks", "where the issuer's public keys are",
       "an http:, https: or file: URL",
       [](Config& c, const std::string& t) {
         c.jwks_url = t;
         return starts_with_any(t, {"http://", "https://", "file:///"});
       }},
      {"CORS_ORIGINS", "http://localhost:5173,http://localhost:5174,http://localhost:4173",
       "origins whose pages may call the server",
       "comma-separated origins, with at most one * in each, or * alone", set_cors},
      {"MANA_SYNC_JWT_ISSUER", "", "the issuer that tokens must name", "any text; empty: any",
       [](Config& c, const std::string& t) {
         c.jwt_issuer = t;
         return true;
       }},
      {"MANA_SYNC_JWT_AUDIENCE", "", "the audience that tokens must name", "any text; empty: any",
       [](Config& c, const std::string& t) {
         c.jwt_audience = t;
         return true;
       }},
      {"MANA_SYNC_MAX_BODY_BYTES", std::to_string(limits::kBodyBytesMaxDefault),
       "the largest request body", "a number of bytes from 1024 to 1073741824",
       [](Config& c, const std::string& t) {
         return set_number(c.body_bytes_max, t, 1'024, 1 << 30);
       }},
      {"MANA_SYNC_MAX_CLOCK_SKEW_MS", std::to_string(limits::kClockSkewMsDefault),
       "how far ahead an edit time may be before the time of receipt is taken instead",
       "a number of milliseconds from 0 to 86400000",
       [](Config& c, const std::string& t) {
         return set_number(c.clock_skew_ms_max, t, 0, 86'400'000);
       }},
      {"MANA_SYNC_MAX_CONNECTIONS", std::to_string(limits::kConnectionsMaxDefault),
       "open client connections", "a number from 1 to 1000000",
       [](Config& c, const std::string& t) {
         return set_number(c.connections_max, t, 1, 1'000'000);
       }},
      {"MANA_SYNC_MAX_CONNECTIONS_PER_ADDRESS", "0",
       "open connections of one IPv4 address, or one /64 of IPv6",
       "a number up to 1000000; 0: any number",
       [](Config& c, const std::string& t) {
         return set_number(c.address_connections_max, t, 0, 1'000'000);
       }},
      {"MANA_SYNC_MAX_REQUESTS_PER_SECOND_PER_USER", "0", "pushes, pulls and streams of one user",
       "a number up to 1000000; 0: any number",
       [](Config& c, const std::string& t) {
         return set_number(c.user_requests_per_second_max, t, 0, 1'000'000);
       }},
      {"MANA_SYNC_MAX_BODIES_BYTES", std::to_string(limits::kBodiesBytesMaxDefault),
       "request bodies of all clients together",
       "a number of bytes from MANA_SYNC_MAX_BODY_BYTES to 1099511627776",
       [](Config& c, const std::string& t) {
         return set_number(c.bodies_bytes_max, t, static_cast<int64_t>(c.body_bytes_max),
                           kBytesMax);
       }},
      {"MANA_SYNC_MAX_OUTPUT_BYTES", std::to_string(limits::kOutputBytesMaxDefault),
       "answers that all clients together have not taken",
       "a number of bytes from 16777216 to 1099511627776",
       [](Config& c, const std::string& t) {
         return set_number(c.output_bytes_max, t, 16 * limits::kMiB, kBytesMax);
       }},
      {"MANA_SYNC_CACHE_BYTES", std::to_string(limits::kCacheBytesDefault), "memory for streams",
       "a number of bytes up to 1099511627776; 0: nothing is kept",
       [](Config& c, const std::string& t) {
         return set_number(c.cache_bytes_max, t, 0, kBytesMax);
       }},
      {"MANA_SYNC_PG_WRITE_CONNECTIONS", "2", "connections to PostgreSQL that write",
       "a number from 1 to 64",
       [](Config& c, const std::string& t) { return set_number(c.write_connections, t, 1, 64); }},
      {"MANA_SYNC_PG_READ_CONNECTIONS", "2", "connections to PostgreSQL that read",
       "a number from 1 to 64",
       [](Config& c, const std::string& t) { return set_number(c.read_connections, t, 1, 64); }},
      {"MANA_SYNC_CORE_DUMPS", "no",
       "whether a crash may leave a core dump, which holds passwords, tokens and users' data",
       "yes or no",
       [](Config& c, const std::string& t) {
         c.core_dumps = t == "yes";
         return t == "yes" || t == "no";
       }},
      {"MANA_SYNC_LOG_LEVEL", "info", "how much is logged", "debug, info, warn, error or off",
       set_log_level},
  };
  return all;
}

std::string value_of(const Variable& variable, const Environment& environment) {
  const std::optional<std::string> text = environment(variable.name);
  return text && !text->empty() ? *text : variable.fallback;
}

}  // namespace

Result<Config> read_config(const Environment& environment) {
  Config config;
  for (const Variable& variable : variables()) {
    const std::string text = value_of(variable, environment);
    if (!variable.set(config, text)) {
      return fail(ErrorCode::kInvalid, fmt::format("{} is '{}', but must be {}", variable.name,
                                                   without_secrets(text), variable.allowed));
    }
  }
  // Told in libpq's terms: which part of it is wrong, and not all of it.
  if (const auto error = store::database_url_error(config.database_url)) {
    return fail(ErrorCode::kInvalid, fmt::format("DATABASE_URL: {}", *error));
  }
  return config;
}

std::string describe_variables() {
  std::string out = "Environment variables:\n";
  for (const Variable& variable : variables()) {
    fmt::format_to(std::back_inserter(out), "  {}\n      {}: {}.\n      Default: {}\n",
                   variable.name, variable.meaning, variable.allowed,
                   variable.fallback.empty() ? "empty" : without_secrets(variable.fallback));
  }
  return out;
}

std::string describe_settings(const Environment& environment) {
  std::string out;
  for (const Variable& variable : variables()) {
    fmt::format_to(std::back_inserter(out), "{}={}\n", variable.name,
                   without_secrets(value_of(variable, environment)));
  }
  return out;
}

}  // namespace mana_sync::server
