// The server over a ring that misbehaves, with real sockets: seed by seed, each request is answered
// rightly, or, where a fault ends its connection, not at all.
#include "faulty_ring.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

constexpr int kClients = 6;
constexpr int kRequests = 12;  // of each client
constexpr int kSeeds = 15;

size_t open_descriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin, {}));
}

// What one client asks, some requests at once, and what it is to be told.
struct Caller {
  Client* client = nullptr;
  std::vector<std::string> bodies;  // expected, in order
  size_t answered = 0;
  bool is_over = false;  // all are answered, or its connection has ended
};

class HttpOverFaultyRing : public HttpTest, public testing::WithParamInterface<int> {
 protected:
  ~HttpOverFaultyRing() override { net::set_ring_faults({}); }

  void begin(bool are_fatal) {
    seed_ = static_cast<uint32_t>(GetParam());
    random_.seed(seed_);
    start(default_options());
    descriptors_ = open_descriptors();
    net::set_ring_faults({.seed = seed_, .one_in = 3, .are_fatal = are_fatal});
  }

  void ask(Caller& caller) {
    const size_t bytes = random_() % 4 == 0 ? random_() % 200'000 : random_() % 2'000;
    std::string body(bytes, '\0');
    for (char& c : body) c = static_cast<char>(random_());
    const bool is_big = random_() % 10 == 0;
    if (is_big) {
      body = std::string(3 * 1024 * 1024, 'b');
      caller.client->send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    } else {
      caller.client->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                          std::to_string(bytes) + "\r\n\r\n" + body);
    }
    caller.bodies.push_back(std::move(body));
  }

  // Takes what has come; asks on, one request or several at once.
  void go_on(Caller& caller) {
    while (const auto answer = caller.client->take_answer()) {
      ASSERT_LT(caller.answered, caller.bodies.size());
      EXPECT_EQ(answer->status, 200);
      EXPECT_TRUE(answer->body == caller.bodies[caller.answered]) << "of " << caller.answered;
      ++caller.answered;
    }
    caller.is_over = caller.client->saw_end() || caller.answered == kRequests;
    if (caller.is_over || caller.answered < caller.bodies.size()) return;
    for (size_t more = 1 + random_() % 4; more > 0 && caller.bodies.size() < kRequests; --more) {
      ask(caller);
    }
  }

  // Time passes, too: the server waits a moment after an accept that failed.
  void run_until_slowly(const std::function<bool()>& done) {
    run_until([&] {
      clock_.advance_us(2'000);
      return done();
    });
  }

  std::vector<Caller> run_callers() {
    std::vector<Caller> callers(kClients);
    for (Caller& caller : callers) caller.client = &connect();
    run_until_slowly([&] {
      bool are_over = true;
      for (Caller& caller : callers) {
        if (!caller.is_over) go_on(caller);
        are_over = are_over && caller.is_over;
      }
      return are_over || HasFailure();
    });
    return callers;
  }

  // With the clients gone, so is all that the server held for them.
  void expect_nothing_left() {
    clients_.clear();
    run_until_slowly([&] { return server_->drained(); });
    EXPECT_EQ(open_descriptors(), descriptors_);
    net::set_ring_faults({});
    let_pass_ms(limits::kAcceptPauseMs);
    Client& client = connect();
    EXPECT_EQ(exchange(client, kGet).status, 200);
  }

  uint32_t seed_ = 0;
  std::mt19937 random_;
  size_t descriptors_ = 0;
};

TEST_P(HttpOverFaultyRing, EveryRequestIsAnsweredOverFaultsThatPass) {
  begin(false);
  for (const Caller& caller : run_callers()) {
    EXPECT_EQ(caller.answered, kRequests);
    EXPECT_FALSE(caller.client->saw_end());
  }
  for (const net::Fault fault : {net::Fault::kShortSend, net::Fault::kInterruptedSend}) {
    EXPECT_GT(net::ring_faults_made()[static_cast<size_t>(fault)], 0u);
  }
  expect_nothing_left();
}

TEST_P(HttpOverFaultyRing, WhoseConnectionFailsHasRightAnswersUpToThere) {
  begin(true);
  for (const Caller& caller : run_callers()) {
    EXPECT_TRUE(caller.answered == kRequests || caller.client->saw_end());
  }
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Seeds, HttpOverFaultyRing, testing::Range(1, 1 + kSeeds));

}  // namespace
}  // namespace mana_sync::http
