// A listener, and who connects to it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mana_sync/net/listener.h"
#include "net_fixture.h"

namespace mana_sync::net {

inline constexpr const char* kLoopbackV4 = "127.0.0.1";

class ListenerTest : public NetTest {
 protected:
  explicit ListenerTest(Time time = Time::kReal) : NetTest(time) {}
  ~ListenerTest() override { listener_.reset(); }

  void listen(const std::string& address) {
    auto listener =
        Listener::listen(*loop_, address, 0, [this](int fd) { accepted_.emplace_back(fd); });
    ASSERT_TRUE(listener.has_value()) << listener.error().message;
    listener_ = std::move(*listener);
  }
  // A client that has connected; accepting it may be still to come.
  Descriptor connect_client() {
    Descriptor client = client_socket(AF_INET);
    EXPECT_EQ(connect_v4(client, listener_->port()), 0);
    return client;
  }
  void run_ticks(int count) {
    loop_->run_until([&] { return --count <= 0; });
  }
  void run_until_accepted(size_t count) {
    loop_->run_until([&] { return accepted_.size() >= count; });
  }

  std::unique_ptr<Listener> listener_;
  std::vector<Descriptor> accepted_;
};

}  // namespace mana_sync::net
