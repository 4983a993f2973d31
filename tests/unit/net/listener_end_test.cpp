// How a listener ends, and what outlives it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "listener_fixture.h"

namespace mana_sync::net {
namespace {

using ::testing::HasSubstr;

class ListenerEndTest : public ListenerTest {};

TEST_F(ListenerEndTest, ClosedItRefuses) {
  listen(kLoopbackV4);
  run_ticks(2);
  listener_->close();
  listener_->close();
  listener_->resume();
  run_ticks(2);
  EXPECT_EQ(connect_v4(client_socket(AF_INET), listener_->port()), ECONNREFUSED);
  // The port is free again.
  EXPECT_TRUE(Listener::listen(*loop_, kLoopbackV4, listener_->port(), [](int) {}).has_value());
}

TEST_F(ListenerEndTest, ClosedItDeliversWhatTheKernelHasTaken) {
  listen(kLoopbackV4);
  run_ticks(2);
  const Descriptor in_flight = connect_client();
  const Descriptor queued = connect_client();
  listener_->close();
  EXPECT_TRUE(accepted_.empty());  // never from within the call
  EXPECT_FALSE(listener_->has_ended());
  loop_->run_until([&] { return listener_->has_ended(); });
  EXPECT_EQ(accepted_.size(), 2U);
  EXPECT_EQ(connect_v4(client_socket(AF_INET), listener_->port()), ECONNREFUSED);
}

TEST_F(ListenerEndTest, ClosedWhilePausedItDeliversTheSame) {
  listen(kLoopbackV4);
  listener_->pause();
  const Descriptor client = connect_client();
  run_ticks(5);
  listener_->close();
  loop_->run_until([&] { return listener_->has_ended(); });
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(ListenerEndTest, AnInheritedSocketOutlivesIt) {
  uint16_t port = 0;
  const Descriptor held = listening_socket(port);
  std::vector<Descriptor> clients;
  for (size_t round = 1; round <= 3; ++round) {
    const int copy = ::dup(held.get());
    listener_ =
        std::move(*Listener::inherit(*loop_, copy, [this](int fd) { accepted_.emplace_back(fd); }));
    EXPECT_EQ(listener_->port(), port);
    EXPECT_NE(::fcntl(copy, F_GETFD) & FD_CLOEXEC, 0);
    clients.push_back(connect_client());
    run_until_accepted(clients.size());
    listener_->close();
    loop_->run_until([&] { return listener_->has_ended(); });
    // Nobody accepts it now, and nobody refuses it: it waits for the next one.
    clients.push_back(client_socket(AF_INET));
    EXPECT_EQ(connect_v4(clients.back(), port), 0);
    run_ticks(5);
    EXPECT_EQ(accepted_.size(), clients.size() - 1);
  }
}

TEST_F(ListenerEndTest, WhatDoesNotListenIsNotInherited) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    for (const int family : {AF_INET, AF_UNIX}) {
      const int fd = ::socket(family, type, 0);
      const auto listener = Listener::inherit(*loop_, fd, [](int) {});
      ASSERT_FALSE(listener.has_value());
      EXPECT_EQ(listener.error().code, ErrorCode::kInvalid);
      EXPECT_THAT(listener.error().message, HasSubstr(std::to_string(fd)));
      EXPECT_EQ(::fcntl(fd, F_GETFD), -1) << "it is closed";
    }
  }
  EXPECT_FALSE(Listener::inherit(*loop_, 999'999, [](int) {}).has_value());
}

}  // namespace
}  // namespace mana_sync::net
