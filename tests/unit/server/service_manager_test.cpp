#include "service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace mana_sync::server {
namespace {

// A manager's end, under an abstract name or a path.
class Manager {
 public:
  explicit Manager(const std::string& name) : name_(name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), bytes), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() {
    ::close(fd_);
    if (name_[0] != '@') ::unlink(name_.c_str());
    ::unsetenv("NOTIFY_SOCKET");
  }
  [[nodiscard]] std::string received() const {
    std::array<char, 64> text{};
    const ssize_t bytes = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return bytes < 0 ? "" : std::string(text.data(), static_cast<size_t>(bytes));
  }

 private:
  const std::string name_;
  const int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

TEST(ServiceManager, IsToldOverAnAbstractSocketAndOverAPath) {
  const std::string unique = "mana-sync-test-" + std::to_string(::getpid());
  for (const std::string& name : {"@" + unique, testing::TempDir() + unique}) {
    const Manager manager(name);
    tell_service_manager("READY=1");
    EXPECT_EQ(manager.received(), "READY=1") << name;
  }
}

TEST(ServiceManager, WhereThereIsNoneNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  tell_service_manager("READY=1");
  for (const std::string& name : {std::string(), std::string("/nowhere"), std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    tell_service_manager("READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManager, HandsOnOneSocketToTheProcessItMeans) {
  const std::string self = std::to_string(::getpid());
  const auto inherited = [](const char* pid, const char* count) {
    ::setenv("LISTEN_PID", pid, 1);
    ::setenv("LISTEN_FDS", count, 1);
    return inherited_socket();
  };
  EXPECT_EQ(inherited(self.c_str(), "1"), 3);
  EXPECT_EQ(inherited("1", "1"), -1);
  EXPECT_EQ(inherited(self.c_str(), "0"), -1);
  EXPECT_EQ(inherited(self.c_str(), "x"), -1);
  const Result<int> several = inherited(self.c_str(), "2");
  ASSERT_FALSE(several.has_value());
  EXPECT_EQ(several.error().code, ErrorCode::kInvalid);
  EXPECT_NE(several.error().message.find("LISTEN_FDS"), std::string::npos);
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  EXPECT_EQ(inherited_socket(), -1);
}

}  // namespace
}  // namespace mana_sync::server
