// A loop on the system's clock, and the other end of its connections: plain non-blocking sockets,
// driven from the conditions that run_until() asks.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/net/stream_socket.h"

namespace mana_sync::net {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    close();
    fd_ = other.release();
    return *this;
  }
  ~Descriptor() { close(); }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// The test's end of a connection.
struct Peer {
  explicit Peer(Descriptor fd_in) : fd(std::move(fd_in)) {}

  Descriptor fd;
  std::string received;
  bool is_finished = false;  // the server's FIN was read
  int error = 0;             // what ended the connection, if not that

  // Reads what is there, at most `bytes_max`.
  void read(size_t bytes_max = SIZE_MAX) {
    std::array<char, 65536> chunk;
    while (bytes_max > 0 && !is_finished && error == 0) {
      const ssize_t bytes =
          ::recv(fd.get(), chunk.data(), std::min(bytes_max, chunk.size()), MSG_DONTWAIT);
      if (bytes < 0 && errno == EAGAIN) return;
      if (bytes < 0) error = errno;
      if (bytes == 0) is_finished = true;
      if (bytes <= 0) return;
      received.append(chunk.data(), static_cast<size_t>(bytes));
      bytes_max -= static_cast<size_t>(bytes);
    }
  }
  // Writes what fits; returns how many bytes that was.
  size_t write(std::string_view bytes) {
    const ssize_t written =
        ::send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return written > 0 ? static_cast<size_t>(written) : 0;
  }
  void close_with_reset() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    fd.close();
  }
};

// Writes down what a socket tells its owner.
struct Recorder : SocketEvents {
  StreamSocket* socket = nullptr;
  std::string received;
  bool has_peer_finished = false;
  bool is_closed = false;
  int sent_calls = 0;
  std::function<void(std::string_view)> receive_hook;

  void on_receive(std::string_view bytes) override {
    EXPECT_FALSE(has_peer_finished || is_closed);
    received += bytes;
    if (receive_hook) receive_hook(bytes);
  }
  void on_peer_finished() override {
    EXPECT_FALSE(has_peer_finished || is_closed);
    has_peer_finished = true;
  }
  void on_sent(size_t) override {
    EXPECT_FALSE(is_closed);
    ++sent_calls;
  }
  void on_closed() override {
    EXPECT_FALSE(is_closed);
    is_closed = true;
  }
};

inline Descriptor client_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

// 0, or errno.
inline int connect_v4(const Descriptor& client, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(client.get(), raw, sizeof(address)) == 0 ? 0 : errno;
}

// Listens on a free port of 127.0.0.1.
inline Descriptor listening_socket(uint16_t& port) {
  Descriptor socket = client_socket(AF_INET);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(socket.get(), raw, length), 0);
  EXPECT_EQ(::listen(socket.get(), 16), 0);
  EXPECT_EQ(::getsockname(socket.get(), raw, &length), 0);
  port = ntohs(address.sin_port);
  return socket;
}

// Two ends of a TCP connection over 127.0.0.1.
inline std::pair<Descriptor, Descriptor> connected_pair() {
  uint16_t port = 0;
  const Descriptor listening = listening_socket(port);
  Descriptor client = client_socket(AF_INET);
  EXPECT_EQ(connect_v4(client, port), 0);
  Descriptor server(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_GE(server.get(), 0);
  return {std::move(server), std::move(client)};
}

// Bytes in which every position can be told from its neighbours.
inline std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

// Some tests hold two descriptors for each of a thousand connections.
inline void raise_descriptor_limit() {
  constexpr rlim_t kDescriptors = 4096;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= kDescriptors) return;
  limit.rlim_cur = std::min(limit.rlim_max, kDescriptors);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class NetTest : public ::testing::Test {
 protected:
  enum class Time { kReal, kManual };

  explicit NetTest(Time time = Time::kReal)
      : log_(LogLevel::kDebug, system_clock_,
             [this](std::string_view line) { log_text_ += line; }) {
    raise_descriptor_limit();
    const bool is_manual = time == Time::kManual;
    auto created = is_manual ? Loop::create(manual_clock_, log_, metrics_)
                             : Loop::create(system_clock_, log_, metrics_);
    EXPECT_TRUE(created.has_value()) << created.error().message;
    loop_ = std::move(*created);
  }

  Peer connect(Recorder& recorder) {
    auto [server, client] = connected_pair();
    recorder.socket = StreamSocket::adopt(*loop_, server.release(), recorder);
    return Peer(std::move(client));
  }

  [[nodiscard]] bool has_metric(const std::string& line) const {
    return metrics_.render().find(line + "\n") != std::string::npos;
  }

  SystemClock system_clock_;
  ManualClock manual_clock_{0};  // the loop's, where the test asked for kManual
  std::string log_text_;
  Logger log_;
  Metrics metrics_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace mana_sync::net
