#include "endpoint.h"

#include <fmt/format.h>
#include <netdb.h>

#include <cstring>
#include <memory>

namespace mana_sync::loadgen {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr const char* kPortDefault = "80";

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort split(std::string_view authority) {
  // An IPv6 literal stands in brackets (RFC 3986 §3.2.2).
  const bool is_literal = authority.starts_with('[');
  const size_t host_end = is_literal ? authority.find(']') : authority.find(':');
  if (host_end == std::string_view::npos) return {std::string(authority), kPortDefault};
  const std::string_view host = authority.substr(is_literal ? 1 : 0, host_end - is_literal);
  const std::string_view rest = authority.substr(host_end + is_literal);
  return {std::string(host), rest.empty() ? kPortDefault : std::string(rest.substr(1))};
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view url) {
  if (!url.starts_with(kScheme)) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: only http:// URLs are spoken to", url));
  }
  Endpoint endpoint;
  endpoint.authority = url.substr(kScheme.size());
  if (endpoint.authority.ends_with('/')) endpoint.authority.pop_back();
  const auto [host, port] = split(endpoint.authority);
  if (host.empty() || endpoint.authority.find_first_of("/?#@ ") != std::string::npos) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: not http://host[:port]", url));
  }

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (status != 0) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}", url, ::gai_strerror(status)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  endpoint.address_bytes = found->ai_addrlen;
  return endpoint;
}

}  // namespace mana_sync::loadgen
