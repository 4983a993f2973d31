#include "network.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace mana_sync::loadgen {
namespace {

// Addresses of 127.0.0.0/8 that connections to it come from, in turn: each has about 28,000 ports.
constexpr uint32_t kLoopbackSources = 8;

std::unexpected<Error> io_error(const char* call) {
  return fail(ErrorCode::kIo, std::string(call) + ": " + std::generic_category().message(errno));
}

bool is_loopback_v4(const Endpoint& endpoint) {
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&endpoint.address);
  return v4->sin_family == AF_INET && (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
}

void bind_to_loopback_source(int fd, uint32_t connect) {
  const int on = 1;
  // The port is chosen by connect(2), which knows the other end.
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + connect % kLoopbackSources);
  // Without it the kernel chooses, and there are fewer ports.
  ::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof(source));
}

}  // namespace

Network::Network(std::unique_ptr<net::Loop> loop, Endpoint endpoint)
    : endpoint_(std::move(endpoint)), loop_(std::move(loop)) {}

Result<int> Network::begin_connect() {
  const int fd =
      ::socket(endpoint_.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return io_error("socket");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (is_loopback_v4(endpoint_)) bind_to_loopback_source(fd, connects_++);
  const auto* const address = reinterpret_cast<const sockaddr*>(&endpoint_.address);
  if (::connect(fd, address, endpoint_.address_bytes) < 0 && errno != EINPROGRESS) {
    auto error = io_error("connect");
    ::close(fd);
    return error;
  }
  return fd;
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace mana_sync::loadgen
