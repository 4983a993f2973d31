#include "mana_sync/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/probes.h"
#include "operations.h"

namespace mana_sync::net {
namespace {

constexpr const char* kAnyV6 = "::";
constexpr const char* kAnyV4 = "0.0.0.0";

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<Address> parse_address(const std::string& text, uint16_t port) {
  Address address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.bytes = sizeof(sockaddr_in);
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.bytes = sizeof(sockaddr_in6);
    return address;
  }
  return fail(ErrorCode::kIo,
              fmt::format("cannot listen on {}: not an IPv4 or IPv6 address", text));
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// -1: it has no such option, or is no socket.
int socket_option(int fd, int level, int option) {
  int value = -1;
  socklen_t bytes = sizeof(value);
  return ::getsockopt(fd, level, option, &value, &bytes) == 0 ? value : -1;
}

// Accepted sockets inherit them (Linux).
void set_accepted_options(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, limits::kUnacknowledgedTimeoutMs);
}

// Returns the descriptor, or -errno with the name of the failed call in `call`.
int open_listening(Address address, bool is_dual_stack, const char*& call) {
  call = "socket";
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // A restart must not wait for the connections of the last run to time out.
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set_accepted_options(fd);
  if (address.family() == AF_INET6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_dual_stack ? 0 : 1);
  }
  call = "bind";
  int result = ::bind(fd, address.get(), address.bytes);
  if (result == 0) {
    call = "listen";
    result = ::listen(fd, limits::kListenBacklog);
  }
  if (result == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}

// open_listening() for an address as it was given, on either family; waits for a port in use.
int open_listening_soon(Loop& loop, const std::string& address, uint16_t port, Address parsed,
                        const char*& call) {
  const bool is_dual_stack = address == kAnyV6;
  for (int64_t waited_ms = 0;; waited_ms += limits::kListenRetryIntervalMs) {
    int fd = open_listening(parsed, is_dual_stack, call);
    const bool has_no_ipv6 = fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL;
    if (is_dual_stack && has_no_ipv6) {
      fd = open_listening(*parse_address(kAnyV4, port), false, call);
    }
    if (fd != -EADDRINUSE || waited_ms >= limits::kListenRetryMs) return fd;
    if (waited_ms == 0) {
      loop.log().warn("port_in_use", {{"address", address},
                                      {"port", static_cast<int64_t>(port)},
                                      {"retry_ms", limits::kListenRetryMs}});
    }
    // Nothing else runs before the server listens.
    std::this_thread::sleep_for(std::chrono::milliseconds(limits::kListenRetryIntervalMs));
  }
}

uint16_t bound_port(int fd) {
  Address address;
  address.bytes = sizeof(address.storage);
  MANA_CHECK(::getsockname(fd, address.get(), &address.bytes) == 0);
  const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  return ntohs(address.family() == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

// The listening socket as the loop sees it; outlives its Listener until nothing is in flight.
class Acceptor final : public OpTarget {
 public:
  Acceptor(Loop& loop, int fd, Listener::OnAccept on_accept, bool is_inherited)
      : loop_(loop), on_accept_(std::move(on_accept)), is_inherited_(is_inherited), fd_(fd) {}
  ~Acceptor() override { release_descriptors(); }

  void pause();
  void resume();
  void close();
  // The Listener is gone.
  void orphan();
  [[nodiscard]] bool has_ended() const { return fd_ < 0 && !is_in_flight_ && held_.empty(); }

  void submit_if_wanted();
  void on_completion(const Completion& completion) override;
  void on_cancel_missed() override;
  void on_visit(Visit visit) override;

 private:
  [[nodiscard]] bool is_wanted() const { return fd_ >= 0 && !is_paused_ && !is_backing_off_; }
  void cancel();
  void deliver(int fd);
  void deliver_held_soon();
  void take_queued();
  void back_off(int error);
  void reclaim_if_idle();
  void release_descriptors();

  Loop& loop_;
  const Listener::OnAccept on_accept_;
  const bool is_inherited_;
  int fd_;                       // -1: closed
  bool is_in_flight_ = false;    // true exactly when the accept's last completion has not been seen
  bool is_paused_ = false;       // by the owner
  bool is_backing_off_ = false;  // true exactly when resume_timer_ will fire
  bool is_short_ = false;        // from the first back-off to the next connection
  bool is_delivery_requested_ = false;
  bool is_reclaim_requested_ = false;
  bool is_orphan_ = false;
  TimerId resume_timer_;
  std::vector<int> held_;  // accepted while paused, or at the end, and not delivered yet
};

void Acceptor::submit_if_wanted() {
  if (!is_wanted() || is_in_flight_) return;
  loop_.operations().ring().submit_accept(id(), fd_);
  is_in_flight_ = true;
}

void Acceptor::on_completion(const Completion& completion) {
  is_in_flight_ = completion.more;
  if (completion.result >= 0) {
    if (std::exchange(is_short_, false)) loop_.log().info("accept_resumed");
    deliver(completion.result);
  } else if (fd_ >= 0) {
    const int error = -completion.result;
    // These concern one connection, or none; anything else may last.
    const bool is_passing = error == ECANCELED || error == ECONNABORTED || error == EINTR ||
                            error == EAGAIN || error == EPROTO;
    if (!is_passing) back_off(error);
  }
  submit_if_wanted();
  reclaim_if_idle();
}

void Acceptor::deliver(int fd) {
  probes::accept(fd);
  if (is_orphan_) {
    ::close(fd);
  } else if (is_paused_ || !held_.empty()) {
    held_.push_back(fd);
  } else {
    on_accept_(fd);
  }
}

void Acceptor::back_off(int error) {
  if (is_backing_off_) return;
  is_backing_off_ = true;
  loop_.operations().accept_paused.add();
  if (!std::exchange(is_short_, true)) {
    loop_.log().warn("accept_paused", {{"error", std::generic_category().message(error)},
                                       {"retry_ms", limits::kAcceptPauseMs}});
  }
  resume_timer_ = loop_.after(std::chrono::milliseconds(limits::kAcceptPauseMs), [this] {
    is_backing_off_ = false;
    submit_if_wanted();
  });
}

void Acceptor::pause() {
  is_paused_ = true;
  cancel();
}

void Acceptor::resume() {
  is_paused_ = false;
  deliver_held_soon();
  submit_if_wanted();
}

void Acceptor::deliver_held_soon() {
  if (!held_.empty() && !is_delivery_requested_) {
    loop_.operations().request(Visit::kDeferred, *this);
    is_delivery_requested_ = true;
  }
}

void Acceptor::on_visit(Visit visit) {
  if (visit != Visit::kDeferred) return;
  is_delivery_requested_ = false;
  while (!held_.empty() && !is_paused_) {
    const int fd = held_.front();
    held_.erase(held_.begin());
    on_accept_(fd);
  }
}

void Acceptor::close() {
  if (fd_ < 0) return;
  if (is_backing_off_) loop_.cancel(resume_timer_);
  is_backing_off_ = false;
  cancel();
  if (!is_inherited_) {
    if (!is_orphan_) take_queued();
    // The accept in flight holds the socket open; shutdown refuses new connections at once.
    ::shutdown(fd_, SHUT_RDWR);
  }
  ::close(std::exchange(fd_, -1));
  is_paused_ = false;
  deliver_held_soon();
}

// Those whom the kernel has told that they are connected: nobody else will serve them.
void Acceptor::take_queued() {
  pollfd queue{.fd = fd_, .events = POLLIN, .revents = 0};
  for (int i = 0; i < limits::kListenBacklog && ::poll(&queue, 1, 0) == 1; ++i) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    held_.push_back(fd);
  }
}

void Acceptor::orphan() {
  is_orphan_ = true;
  close();
  release_descriptors();
  reclaim_if_idle();
}

void Acceptor::reclaim_if_idle() {
  if (!is_orphan_ || is_in_flight_ || is_reclaim_requested_) return;
  loop_.operations().request(Visit::kReclaim, *this);
  is_reclaim_requested_ = true;
}

void Acceptor::cancel() {
  if (is_in_flight_) loop_.operations().ring().submit_cancel(OpKind::kAccept, id());
}

void Acceptor::on_cancel_missed() {
  if (!is_wanted()) cancel();
}

void Acceptor::release_descriptors() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  for (const int fd : held_) ::close(fd);
  held_.clear();
}

class ListenerImpl final : public Listener {
 public:
  ListenerImpl(Acceptor& acceptor, uint16_t port) : acceptor_(acceptor), port_(port) {}
  ~ListenerImpl() override { acceptor_.orphan(); }
  [[nodiscard]] uint16_t port() const override { return port_; }
  void pause() override { acceptor_.pause(); }
  void resume() override { acceptor_.resume(); }
  void close() override { acceptor_.close(); }
  [[nodiscard]] bool has_ended() const override { return acceptor_.has_ended(); }

 private:
  Acceptor& acceptor_;
  const uint16_t port_;
};

std::unique_ptr<Listener> accept_on(Loop& loop, int fd, Listener::OnAccept on_accept,
                                    bool is_inherited) {
  const uint16_t port = bound_port(fd);
  Acceptor* const acceptor = loop.operations().add(
      std::make_unique<Acceptor>(loop, fd, std::move(on_accept), is_inherited));
  acceptor->submit_if_wanted();
  return std::make_unique<ListenerImpl>(*acceptor, port);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::listen(Loop& loop, const std::string& address,
                                                   uint16_t port, OnAccept on_accept) {
  auto parsed = parse_address(address, port);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  const char* call = "";
  const int fd = open_listening_soon(loop, address, port, *parsed, call);
  if (fd < 0) {
    const char* const format = parsed->family() == AF_INET6 ? "cannot listen on [{}]:{}: {}: {}"
                                                            : "cannot listen on {}:{}: {}: {}";
    return fail(ErrorCode::kIo, fmt::format(fmt::runtime(format), address, port, call,
                                            std::generic_category().message(-fd)));
  }
  return accept_on(loop, fd, std::move(on_accept), false);
}

Result<std::unique_ptr<Listener>> Listener::inherit(Loop& loop, int fd, OnAccept on_accept) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  const int domain = socket_option(fd, SOL_SOCKET, SO_DOMAIN);
  const bool is_tcp = (domain == AF_INET || domain == AF_INET6) &&
                      socket_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
  if (!is_tcp || socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
    ::close(fd);
    return fail(ErrorCode::kInvalid,
                fmt::format("the inherited descriptor {} is not a TCP socket that listens", fd));
  }
  set_accepted_options(fd);
  return accept_on(loop, fd, std::move(on_accept), true);
}

}  // namespace mana_sync::net
