#include "silence.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>

namespace mana_sync::test {
namespace {

int port_of(const std::string& url) {
  const size_t database = url.find('/', url.find('@'));
  return std::stoi(url.substr(url.rfind(':', database) + 1));
}

std::vector<int> connections_to(int port) {
  std::vector<int> fds;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const bool is_connected = ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    if (is_connected && peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) {
      fds.push_back(fd);
    }
  }
  return fds;
}

}  // namespace

NewConnections::NewConnections(const std::string& url)
    : port_(port_of(url)), old_(connections_to(port_)) {}

std::vector<int> NewConnections::fds() const {
  std::vector<int> fds = connections_to(port_);
  std::erase_if(fds, [this](int fd) { return std::ranges::find(old_, fd) != old_.end(); });
  return fds;
}

void NewConnections::silence() const {
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog filter{.len = 1, .filter = &drop_all};
  for (const int fd : fds()) {
    EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
  }
}

}  // namespace mana_sync::test
