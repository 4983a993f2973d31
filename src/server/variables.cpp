#include "variables.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <type_traits>
#include <utility>

#include "mana_sync/base/limits.h"

namespace mana_sync::server {
namespace {

template <auto kMember>
bool set_text(Config& config, const std::string& text, const Variable& /*variable*/) {
  config.*kMember = text;
  return true;
}

std::optional<int64_t> number_of(const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < min || value > max) return std::nullopt;
  return value;
}

template <auto kMember>
bool set_number(Config& config, const std::string& text, const Variable& variable) {
  const std::optional<int64_t> value = number_of(text, variable.min, variable.max);
  auto& member = config.*kMember;
  if (value) member = static_cast<std::remove_reference_t<decltype(member)>>(*value);
  return value.has_value();
}

bool set_bodies_bytes(Config& config, const std::string& text, const Variable& variable) {
  const auto one_body = static_cast<int64_t>(config.body_bytes_max);
  const std::optional<int64_t> value = number_of(text, one_body, variable.max);
  if (value) config.bodies_bytes_max = static_cast<size_t>(*value);
  return value.has_value();
}

bool set_listen_address(Config& config, const std::string& text, const Variable& /*variable*/) {
  config.listen_address = text;
  in6_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool set_database_url(Config& config, const std::string& text, const Variable& /*variable*/) {
  config.database_url = text;
  return text.starts_with("postgresql://") || text.starts_with("postgres://") ||
         text.find('=') != std::string::npos;
}

bool set_jwks_url(Config& config, const std::string& text, const Variable& /*variable*/) {
  config.jwks_url = text;
  return text.starts_with("http://") || text.starts_with("https://") ||
         text.starts_with("file:///");
}

bool set_cors(Config& config, const std::string& text, const Variable& /*variable*/) {
  auto policy = http::CorsPolicy::parse(text);
  if (policy) config.cors = std::move(*policy);
  return policy.has_value();
}

bool set_core_dumps(Config& config, const std::string& text, const Variable& /*variable*/) {
  config.core_dumps = text == "yes";
  return text == "yes" || text == "no";
}

bool set_log_level(Config& config, const std::string& text, const Variable& /*variable*/) {
  const auto level = parse_log_level(text);
  if (level) config.log_level = *level;
  return level.has_value();
}

constexpr int64_t kBytesMax = int64_t{1} << 40;
constexpr int64_t kDayMs = 86'400'000;

constexpr Variable kVariables[] = {
    {"PORT", 3050, "the port to listen on; 0 takes any free one", "a number from {0} to {1}",
     set_number<&Config::port>, 0, 65'535},
    {"MANA_SYNC_LISTEN_ADDRESS", "::", "the address to listen on; :: is IPv4 and IPv6",
     "an IPv4 or IPv6 address", set_listen_address},
    {"DATABASE_URL", "postgresql://manacore:devpassword@localhost:5432/mana_sync", "PostgreSQL",
     "a libpq URI (postgresql://…) or keyword string (host=…)", set_database_url},
    {"JWKS_URL", "http://localhost:3001/api/auth/jwks", "where the issuer's public keys are",
     "an http:, https: or file: URL", set_jwks_url},
    {"CORS_ORIGINS", "http://localhost:5173,http://localhost:5174,http://localhost:4173",
     "origins whose pages may call the server",
     "comma-separated origins, with at most one * in each, or * alone", set_cors},
    {"MANA_SYNC_JWT_ISSUER", "", "the issuer that tokens must name", "any text; empty: any",
     set_text<&Config::jwt_issuer>},
    {"MANA_SYNC_JWT_AUDIENCE", "", "the audience that tokens must name", "any text; empty: any",
     set_text<&Config::jwt_audience>},
    {"MANA_SYNC_MAX_BODY_BYTES", limits::kBodyBytesMaxDefault, "the largest request body",
     "a number of bytes from {0} to {1}", set_number<&Config::body_bytes_max>, limits::kKiB,
     1024 * limits::kMiB},
    {"MANA_SYNC_MAX_CLOCK_SKEW_MS", limits::kClockSkewMsDefault,
     "how far ahead an edit time may be before the time of receipt is taken instead",
     "a number of milliseconds from {0} to {1}", set_number<&Config::clock_skew_ms_max>, 0, kDayMs},
    {"MANA_SYNC_MAX_CONNECTIONS", limits::kConnectionsMaxDefault, "open client connections",
     "a number from {0} to {1}", set_number<&Config::connections_max>, 1, 1'000'000},
    {"MANA_SYNC_MAX_CONNECTIONS_PER_ADDRESS", 0,
     "open connections of one IPv4 address, or one /64 of IPv6",
     "a number up to {1}; 0: any number", set_number<&Config::address_connections_max>, 0,
     1'000'000},
    {"MANA_SYNC_MAX_REQUESTS_PER_SECOND_PER_USER", 0, "pushes, pulls and streams of one user",
     "a number up to {1}; 0: any number", set_number<&Config::user_requests_per_second_max>, 0,
     1'000'000},
    {"MANA_SYNC_MAX_BODIES_BYTES", limits::kBodiesBytesMaxDefault,
     "request bodies of all clients together",
     "a number of bytes from MANA_SYNC_MAX_BODY_BYTES to {1}", set_bodies_bytes, 0, kBytesMax},
    {"MANA_SYNC_MAX_OUTPUT_BYTES", limits::kOutputBytesMaxDefault,
     "answers that all clients together have not taken", "a number of bytes from {0} to {1}",
     set_number<&Config::output_bytes_max>, 16 * limits::kMiB, kBytesMax},
    {"MANA_SYNC_CACHE_BYTES", limits::kCacheBytesDefault, "memory for streams",
     "a number of bytes up to {1}; 0: nothing is kept", set_number<&Config::cache_bytes_max>, 0,
     kBytesMax},
    {"MANA_SYNC_PG_WRITE_CONNECTIONS", 2, "connections to PostgreSQL that write",
     "a number from {0} to {1}", set_number<&Config::write_connections>, 1, 64},
    {"MANA_SYNC_PG_READ_CONNECTIONS", 3, "connections to PostgreSQL that read",
     "a number from {0} to {1}", set_number<&Config::read_connections>, 1, 64},
    {"MANA_SYNC_CORE_DUMPS", "no",
     "whether a crash may leave a core dump, which holds passwords, tokens and users' data",
     "yes or no", set_core_dumps},
    {"MANA_SYNC_LOG_LEVEL", "info", "how much is logged", "debug, info, warn, error or off",
     set_log_level},
};

}  // namespace

std::string Variable::allowed_text() const {
  return fmt::format(fmt::runtime(allowed), min, max);
}

std::span<const Variable> variables() {
  return kVariables;
}

}  // namespace mana_sync::server
