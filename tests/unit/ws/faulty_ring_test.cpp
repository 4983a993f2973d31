// WebSockets over a ring that misbehaves: seed by seed, each message comes back, in order and
// whole, as far as its connection goes.
#include "faulty_ring.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "plain_reading.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

constexpr int kSockets = 6;
constexpr int kMessages = 20;  // of each socket
constexpr int kSeeds = 15;

class WsOverFaultyRing : public WsTest, public testing::WithParamInterface<int> {
 protected:
  WsOverFaultyRing() : random_(static_cast<uint32_t>(GetParam())) {}
  ~WsOverFaultyRing() override { net::set_ring_faults({}); }

  struct Talk {
    Link* link;
    std::string stream;
    std::string answer;  // expected
    size_t sent_bytes = 0;

    [[nodiscard]] bool is_over() const {
      return link->is_closed || link->peer.received.size() == answer.size();
    }
  };

  std::string stream() {
    std::string stream;
    for (int i = 0; i < kMessages; ++i) {
      const size_t bytes = random_() % 4 == 0 ? random_() % 60'000 : random_() % 500;
      stream +=
          random_() % 5 == 0 ? ping("p") : text(std::string(bytes, static_cast<char>('a' + i)));
    }
    return stream;
  }

  // Sends all, as the sockets take it, and waits for the answers.
  std::vector<Talk> talk(bool are_fatal) {
    net::set_ring_faults(
        {.seed = static_cast<uint32_t>(GetParam()), .one_in = 3, .are_fatal = are_fatal});
    std::vector<Talk> talks;
    for (int i = 0; i < kSockets; ++i) {
      talks.push_back({&open(true), stream(), {}});
      talks.back().answer = plain_answer(talks.back().stream);
    }
    run_until([&] {
      bool are_over = true;
      for (Talk& talk : talks) {
        const auto rest = std::string_view(talk.stream).substr(talk.sent_bytes);
        talk.sent_bytes += talk.link->peer.write(rest.substr(0, 1 + random_() % 30'000));
        are_over = are_over && talk.is_over();
      }
      return are_over;
    });
    net::set_ring_faults({});
    return talks;
  }

  std::mt19937 random_;
};

TEST_P(WsOverFaultyRing, EveryMessageComesBackOverFaultsThatPass) {
  for (const Talk& talk : talk(false)) {
    EXPECT_FALSE(talk.link->is_closed);
    EXPECT_TRUE(talk.link->peer.received == talk.answer);
  }
}

TEST_P(WsOverFaultyRing, WhoseConnectionFailsHasItsMessagesUpToThere) {
  for (const Talk& talk : talk(true)) {
    EXPECT_TRUE(talk.answer.starts_with(talk.link->peer.received));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WsOverFaultyRing, testing::Range(1, 1 + kSeeds));

}  // namespace
}  // namespace mana_sync::ws
