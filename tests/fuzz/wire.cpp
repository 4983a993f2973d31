#include "wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>

#include "mana_sync/base/check.h"
#include "mana_sync/base/hash.h"

namespace mana_sync::fuzz {
namespace {

// Ticks without a byte moving: after so many the server has done what it is going to do, and after
// so many it hangs.
constexpr int kQuietTicks = 6;
constexpr int kHangTicks = 100'000;

// The client's end. Never blocks.
class Peer {
 public:
  Peer(int fd, std::string_view unsent) : fd_(fd), unsent_(unsent) {}
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] size_t unsent_bytes() const { return unsent_.size(); }
  [[nodiscard]] bool saw_end() const { return saw_end_; }
  [[nodiscard]] std::string& received() { return received_; }

  void write(size_t bytes_max) {
    const ssize_t sent = ::send(fd_, unsent_.data(), std::min(bytes_max, unsent_.size()),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) unsent_.remove_prefix(static_cast<size_t>(sent));
    if (sent < 0 && errno != EAGAIN) unsent_ = {};  // the server has left
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  void read() {
    std::array<char, 65536> buffer;
    while (!saw_end_) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) saw_end_ = true;
      if (got > 0) received_.append(buffer.data(), static_cast<size_t>(got));
    }
  }

 private:
  const int fd_;
  std::string_view unsent_;
  std::string received_;
  bool saw_end_ = false;
};

}  // namespace

Wire::Wire() {
  auto loop = net::Loop::create(clock_, log_, metrics_);
  if (!loop) check_failed(loop.error().message.c_str());
  loop_ = std::move(*loop);
}

std::string Wire::exchange(std::string_view bytes, Pieces pieces,
                           const std::function<void(int fd)>& open,
                           const std::function<bool()>& is_closed) {
  std::array<int, 2> fds{-1, -1};
  MANA_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
  Peer peer(fds[1], bytes);
  open(fds[0]);
  std::minstd_rand random(static_cast<uint32_t>(hash128(bytes, 1).low));
  int idle_ticks = 0;
  loop_->run_until([&] {
    loop_->post([] {});  // the next tick does not wait
    const size_t before = peer.received().size() + bytes.size() - peer.unsent_bytes();
    if (peer.unsent_bytes() > 0) {
      peer.write(pieces == Pieces::kWhole || random() % 4 == 0 ? bytes.size() : 1 + random() % 12);
    }
    peer.read();
    const size_t now = peer.received().size() + bytes.size() - peer.unsent_bytes();
    idle_ticks = now == before ? idle_ticks + 1 : 0;
    if (idle_ticks == kQuietTicks || peer.saw_end()) peer.finish_sending();
    MANA_CHECK(idle_ticks < kHangTicks);
    return is_closed() && peer.saw_end();
  });
  return std::move(peer.received());
}

}  // namespace mana_sync::fuzz
