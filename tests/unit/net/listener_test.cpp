#include "mana_sync/net/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "listener_fixture.h"
#include "syscall_filter.h"

namespace mana_sync::net {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kLoopbackV6 = "::1";

int connect_v6(const Descriptor& client, uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(client.get(), raw, sizeof(address)) == 0 ? 0 : errno;
}

TEST_F(ListenerTest, AcceptsBlockingSocketsWithoutDelay) {
  listen(kLoopbackV4);
  EXPECT_NE(listener_->port(), 0);
  const Descriptor client = connect_client();
  run_until_accepted(1);
  int no_delay = 0;
  socklen_t length = sizeof(no_delay);
  const int fd = accepted_[0].get();
  ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
  EXPECT_NE(no_delay, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ListenerTest, TheUnspecifiedV6AddressTakesBothFamilies) {
  listen("::");
  const Descriptor v4 = connect_client();
  run_until_accepted(1);
  const Descriptor v6 = client_socket(AF_INET6);
  if (v6.get() < 0) GTEST_SKIP() << "this kernel has no IPv6";
  ASSERT_EQ(connect_v6(v6, listener_->port()), 0);
  run_until_accepted(2);
}

TEST_F(ListenerTest, AV6LiteralTakesV6Only) {
  const Descriptor v6 = client_socket(AF_INET6);
  if (v6.get() < 0) GTEST_SKIP() << "this kernel has no IPv6";
  listen(kLoopbackV6);
  EXPECT_EQ(connect_v4(client_socket(AF_INET), listener_->port()), ECONNREFUSED);
  ASSERT_EQ(connect_v6(v6, listener_->port()), 0);
  run_until_accepted(1);
}

TEST_F(ListenerTest, APortInUseIsAnErrorWithAddressAndReason) {
  listen(kLoopbackV4);
  const auto second = Listener::listen(*loop_, kLoopbackV4, listener_->port(), [](int) {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kIo);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr("127.0.0.1:" + std::to_string(listener_->port())),
                    HasSubstr("Address already in use")));
}

TEST_F(ListenerTest, APortThatIsStillBeingFreedIsWaitedFor) {
  uint16_t port = 0;
  Descriptor holder = listening_socket(port);
  // It is freed once the listener has met it, and told so.
  int told = 0;
  Logger log(LogLevel::kWarn, system_clock_, [&](std::string_view line) {
    EXPECT_THAT(line, HasSubstr("port_in_use"));
    ++told;
    holder.close();
  });
  const auto loop = std::move(*Loop::create(system_clock_, log, metrics_));
  const auto listener = Listener::listen(*loop, kLoopbackV4, port, [](int) {});
  EXPECT_TRUE(listener.has_value()) << listener.error().message;
  EXPECT_EQ(told, 1);
}

// Listens on a loop in a process of its own until it is killed; returns its port and process.
std::pair<uint16_t, pid_t> listen_in_a_process(uint16_t port) {
  std::array<int, 2> pipe;
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const SystemClock clock;
    Logger log(LogLevel::kOff, clock);
    Metrics metrics;
    const auto loop = std::move(*Loop::create(clock, log, metrics));
    const auto listener = Listener::listen(*loop, kLoopbackV4, port, [](int) {});
    const uint16_t bound = listener ? (*listener)->port() : 0;
    loop->run_until([] { return true; });  // the accept is in flight
    const bool told = ::write(pipe[1], &bound, sizeof(bound)) == sizeof(bound);
    while (told && listener) ::pause();
    std::_Exit(1);
  }
  const Descriptor reading(pipe[0]);
  ::close(pipe[1]);
  EXPECT_EQ(::read(reading.get(), &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  return {port, child};
}

TEST(ListenerProcessTest, AServerThatWasKilledCanBeStartedAgainAtOnce) {
  uint16_t port = 0;
  for (int i = 0; i < 5; ++i) {
    pid_t child = 0;
    std::tie(port, child) = listen_in_a_process(port);
    EXPECT_NE(port, 0) << "could not listen again";
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
}

TEST_F(ListenerTest, WhatIsNoAddressIsAnError) {
  const auto listener = Listener::listen(*loop_, "localhost", 0, [](int) {});
  ASSERT_FALSE(listener.has_value());
  EXPECT_THAT(listener.error().message, HasSubstr("localhost"));
}

TEST_F(ListenerTest, PausedItLeavesConnectionsInTheQueue) {
  listen(kLoopbackV4);
  run_ticks(2);
  listener_->pause();
  const Descriptor first = connect_client();
  run_ticks(5);
  EXPECT_TRUE(accepted_.empty());
  listener_->resume();
  EXPECT_TRUE(accepted_.empty());  // never from within the call
  run_until_accepted(1);
  // What was accepted already when the pause came waits as well.
  const Descriptor second = connect_client();
  const Descriptor third = connect_client();
  listener_->pause();
  run_ticks(5);
  EXPECT_EQ(accepted_.size(), 1U);
  listener_->resume();
  run_until_accepted(3);
}

TEST_F(ListenerTest, ACallMayPauseIt) {
  const auto pause_each = [this](int fd) {
    accepted_.emplace_back(fd);
    listener_->pause();
  };
  listener_ = std::move(*Listener::listen(*loop_, kLoopbackV4, 0, pause_each));
  std::vector<Descriptor> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(connect_client());
  for (size_t count = 1; count <= clients.size(); ++count) {
    run_until_accepted(count);
    run_ticks(2);
    EXPECT_EQ(accepted_.size(), count);
    listener_->resume();
  }
}

TEST_F(ListenerTest, ACallMayDestroyIt) {
  const auto destroy = [this](int fd) {
    accepted_.emplace_back(fd);
    listener_.reset();
  };
  listener_ = std::move(*Listener::listen(*loop_, kLoopbackV4, 0, destroy));
  const Descriptor first = connect_client();
  const Descriptor second = connect_client();
  run_until_accepted(1);
  run_ticks(5);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(ListenerTest, AThousandConnectionsEcho) {
  constexpr size_t kConnections = 1000;
  std::deque<Recorder> recorders;
  const auto adopt = [&](int fd) {
    Recorder& recorder = recorders.emplace_back();
    recorder.socket = StreamSocket::adopt(*loop_, fd, recorder);
    recorder.receive_hook = [&recorder](std::string_view bytes) {
      recorder.socket->send(std::string(bytes));
    };
  };
  listener_ = std::move(*Listener::listen(*loop_, "::", 0, adopt));
  std::vector<Peer> peers;
  for (size_t i = 0; i < kConnections; ++i) {
    peers.push_back(Peer(connect_client()));
    if (i % 100 == 0) run_ticks(1);
  }
  for (int round = 1; round <= 3; ++round) {
    for (Peer& peer : peers) ASSERT_EQ(peer.write("hello"), 5U);
    size_t answered = 0;
    while (answered < peers.size()) {
      run_ticks(1);
      peers[answered].read();
      while (answered < peers.size() &&
             peers[answered].received.size() == 5 * static_cast<size_t>(round)) {
        if (++answered < peers.size()) peers[answered].read();
      }
    }
  }
  for (Peer& peer : peers) peer.fd.close();
  loop_->run_until([&] {
    return std::all_of(recorders.begin(), recorders.end(),
                       [](const Recorder& recorder) { return recorder.has_peer_finished; });
  });
  for (Recorder& recorder : recorders) recorder.socket->close();
  loop_->run_until([&] {
    return std::all_of(recorders.begin(), recorders.end(),
                       [](const Recorder& recorder) { return recorder.is_closed; });
  });
}

void accept_one_without_ipv6() {
  fail_system_call(SYS_socket, EAFNOSUPPORT, AF_INET6);
  const SystemClock clock;
  Logger log(LogLevel::kOff, clock);
  Metrics metrics;
  const auto loop = std::move(*Loop::create(clock, log, metrics));
  int accepted = -1;
  const auto listener =
      std::move(*Listener::listen(*loop, "::", 0, [&](int fd) { accepted = fd; }));
  const Descriptor client = client_socket(AF_INET);
  if (connect_v4(client, listener->port()) != 0) std::_Exit(1);
  loop->run_until([&] { return accepted >= 0; });
  std::_Exit(0);
}

TEST(ListenerDeathTest, WithoutIpv6TheUnspecifiedAddressTakesV4) {
  EXPECT_EXIT(accept_one_without_ipv6(), ::testing::ExitedWithCode(0), "");
}

class ManualClockListenerTest : public ListenerTest {
 protected:
  ManualClockListenerTest() : ListenerTest(Time::kManual) {}
};

TEST_F(ManualClockListenerTest, OutOfDescriptorsItPausesForAMomentAndGoesOn) {
  listen(kLoopbackV4);
  const Descriptor client = client_socket(AF_INET);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none_left = before;
  const int lowest_free = ::dup(client.get());
  ::close(lowest_free);
  none_left.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  EXPECT_EQ(connect_v4(client, listener_->port()), 0);
  // Not through `this`: UBSan's look at a vtable needs a descriptor and would report a false error.
  const auto run_until_paused = [&loop = *loop_, &metrics = metrics_](int times) {
    const std::string line = "mana_sync_accept_paused_total " + std::to_string(times) + "\n";
    loop.run_until([&] { return metrics.render().find(line) != std::string::npos; });
  };
  run_until_paused(1);
  manual_clock_.advance_us(100'000);
  run_until_paused(2);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(log_text_, HasSubstr("Too many open files"));
  run_ticks(5);
  EXPECT_TRUE(accepted_.empty());  // by the clock no time has passed
  manual_clock_.advance_us(100'000);
  run_until_accepted(1);
  EXPECT_TRUE(has_metric("mana_sync_accept_paused_total 2"));
  // It is told once, and that it is over.
  EXPECT_EQ(log_text_.find("accept_paused"), log_text_.rfind("accept_paused"));
  EXPECT_THAT(log_text_, HasSubstr("accept_resumed"));
}

}  // namespace
}  // namespace mana_sync::net
