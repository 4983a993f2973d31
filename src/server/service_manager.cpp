#include "service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace mana_sync::server {

void tell_service_manager(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr) return;
  const std::string_view path(name);
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // an abstract socket
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address), bytes);
  ::close(fd);
}

Result<int> inherited_socket() {
  constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
  const auto number_in = [](const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  };
  if (number_in("LISTEN_PID") != ::getpid()) return -1;
  const long count = number_in("LISTEN_FDS");
  if (count > 1) {
    return fail(ErrorCode::kInvalid,
                fmt::format("LISTEN_FDS is {}, but one socket is all that can be used", count));
  }
  return count == 1 ? kFirstInherited : -1;
}

}  // namespace mana_sync::server
