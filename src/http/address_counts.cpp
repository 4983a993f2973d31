#include "address_counts.h"

#include <netinet/in.h>

#include <cstring>
#include <optional>

namespace mana_sync::http {
namespace {

// Where an IPv6 network would have ::/32, which is reserved: 64 bits name either.
uint64_t ipv4_key(const void* address) {
  uint32_t bits = 0;
  std::memcpy(&bits, address, sizeof(bits));
  return uint64_t{bits} << 32;
}

uint64_t ipv6_key(const in6_addr& address) {
  constexpr size_t kMappedOffset = 12;
  // A socket for both families has IPv4 peers in this form.
  if (IN6_IS_ADDR_V4MAPPED(&address)) return ipv4_key(&address.s6_addr[kMappedOffset]);
  uint64_t network = 0;
  std::memcpy(&network, address.s6_addr, sizeof(network));
  return network;
}

std::optional<uint64_t> key_of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ipv4_key(&reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  }
  if (address.ss_family == AF_INET6) {
    return ipv6_key(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  }
  return std::nullopt;
}

}  // namespace

AddressCounts::Share::~Share() {
  if (entry_ == nullptr || --entry_->connections > 0) return;
  entry_->counts->entries_.erase(entry_->key);
}

AddressCounts::Share AddressCounts::count(const sockaddr_storage& address) {
  const std::optional<uint64_t> key = key_of(address);
  if (!key) return {};
  return Share(entries_.try_emplace(*key, Entry{this, *key}).first->second);
}

AddressCounts::Share AddressCounts::count_peer(int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return {};
  return count(address);
}

}  // namespace mana_sync::http
