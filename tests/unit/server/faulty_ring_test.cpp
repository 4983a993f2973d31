// Streams of server-sent events over a ring that misbehaves: seed by seed, each follower gets every
// change once, in order and whole, on one connection, or, where a fault ends it, on those that it
// makes from its last event on (PROTOCOL 7.1).
#include "faulty_ring.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine_world.h"
#include "followers.h"
#include "http_fixture.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::server {
namespace {

using sync::testing::EngineWorld;

constexpr int kReaders = 6;
constexpr size_t kPushes = 60;
constexpr int kSeeds = 15;

// One that follows, as an EventSource does.
struct Reader {
  http::Client* client = nullptr;
  bool has_head = false;
  std::string text;     // of events, as far as they are not taken
  std::string last_id;  // of the last whole event
  std::string changes;  // all that came, with a comma behind each
  int connections = 0;

  // Takes what has come: the head, chunks, and what is whole of the events in them.
  void take() {
    if (!has_head) {
      const size_t end = client->received().find("\r\n\r\n");
      if (end == std::string_view::npos) return;
      EXPECT_TRUE(client->received().starts_with("HTTP/1.1 200 OK\r\n"));
      client->take(end + 4);
      has_head = true;
    }
    while (take_chunk()) {
    }
    size_t begin = 0;
    for (size_t end; (end = text.find("\n\n", begin)) != std::string::npos; begin = end + 2) {
      take_event(std::string_view(text).substr(begin, end - begin));
    }
    text.erase(0, begin);
  }

 private:
  bool take_chunk() {
    const std::string_view received = client->received();
    const size_t line_end = received.find("\r\n");
    if (line_end == std::string_view::npos) return false;
    size_t bytes = 0;
    std::from_chars(received.data(), received.data() + line_end, bytes, 16);
    if (received.size() < line_end + 2 + bytes + 2) return false;
    EXPECT_EQ(received.substr(line_end + 2 + bytes, 2), "\r\n");
    text += received.substr(line_end + 2, bytes);
    client->take(line_end + 2 + bytes + 2);
    return true;
  }

  void take_event(std::string_view event) {
    if (event.starts_with("event: heartbeat\n")) return;
    constexpr std::string_view kChanges = "\"changes\":[";
    const size_t id_end = event.find('\n');
    const size_t begin = event.find(kChanges) + kChanges.size();
    const size_t end = event.rfind("],\"syncedUntil\":");
    ASSERT_TRUE(event.starts_with("id: ") && end != std::string_view::npos) << event;
    const std::string id(event.substr(4, id_end - 4));
    EXPECT_GT(id, last_id);
    last_id = id;
    changes += event.substr(begin, end - begin);
    changes += ',';
  }
};

class FollowersOverFaultyRing : public http::HttpTest, public testing::WithParamInterface<int> {
 protected:
  FollowersOverFaultyRing()
      : random_(static_cast<uint32_t>(GetParam())), followers_(*loop_, world_.engine) {
    handler_.hook = [this](http::Request& request, http::Responder responder) {
      const int64_t since_us = parse_cursor_us(request.header("Last-Event-ID").value_or(""));
      followers_.follow(world_.following(since_us), identity_, responder);
    };
    loop_->at_tick_end(net::TickPhase::kHubDrain, [this] { world_.engine.hub().drain(); });
    start(default_options());
  }
  ~FollowersOverFaultyRing() override {
    net::set_ring_faults({});
    stop();
  }

  void follow(Reader& reader) {
    ++reader.connections;
    reader.client = &connect();
    reader.has_head = false;
    reader.text.clear();
    reader.client->send(
        fmt::format("GET /hook HTTP/1.1\r\nHost: a\r\nLast-Event-ID: {}\r\n\r\n", reader.last_id));
  }

  // One more change, mostly a small one.
  void push() {
    const size_t bytes = random_() % 4 == 0 ? random_() % 60'000 : random_() % 500;
    world_.push("writer", {sync::testing::edit_of(fmt::format("r{}", ++pushes_),
                                                  '"' + std::string(bytes, 'x') + '"')});
  }

  // As the stream has them, each with a comma behind it.
  std::string all_changes() {
    std::string changes;
    for (int64_t since_us = 0;;) {
      const auto page = world_.pull(since_us);
      world_.settle();
      EXPECT_TRUE(page->ok());
      for (const std::string& change : page->changes) changes += change + ',';
      if (!page->has_more) return changes;
      since_us = page->synced_until_us;
    }
  }

  // Pushes, and lets all read, now and then not for a while, until they have it all.
  std::vector<Reader> run_readers(bool are_fatal) {
    net::set_ring_faults(
        {.seed = static_cast<uint32_t>(GetParam()), .one_in = 3, .are_fatal = are_fatal});
    std::vector<Reader> readers(kReaders);
    for (Reader& reader : readers) follow(reader);
    std::string expected;  // known once all is pushed
    run_until([&] {
      clock_.advance_us(2'000);
      if (pushes_ < kPushes && random_() % 2 == 0) push();
      world_.settle();
      if (pushes_ == kPushes && expected.empty()) expected = all_changes();
      for (Reader& reader : readers) {
        reader.client->set_reading(!expected.empty() || random_() % 4 != 0);
        reader.take();
        if (reader.client->saw_end()) follow(reader);
      }
      return HasFailure() || (!expected.empty() && std::ranges::all_of(readers, [&](auto& reader) {
               return reader.changes.size() >= expected.size();
             }));
    });
    for (const Reader& reader : readers) EXPECT_TRUE(reader.changes == expected);
    return readers;
  }

  // With the clients gone, so is all that was held for them.
  void expect_nothing_left() {
    clients_.clear();
    run_until([&] {
      clock_.advance_us(2'000);
      return server_->drained();
    });
    EXPECT_EQ(followers_.size(), 0U);
  }

  std::mt19937 random_;
  size_t pushes_ = 0;
  std::shared_ptr<const auth::Identity> identity_ =
      std::make_shared<const auth::Identity>(auth::Identity{"user", {}, "kid", {}});
  EngineWorld world_;
  Followers followers_;
};

TEST_P(FollowersOverFaultyRing, EachHasEveryChangeOnceAndInOrderOverFaultsThatPass) {
  for (const Reader& reader : run_readers(false)) EXPECT_EQ(reader.connections, 1);
  EXPECT_GT(net::ring_faults_made()[static_cast<size_t>(net::Fault::kShortSend)], 0U);
  expect_nothing_left();
}

TEST_P(FollowersOverFaultyRing, WhoseConnectionFailsGoesOnFromItsLastEvent) {
  const std::vector<Reader> readers = run_readers(true);
  EXPECT_TRUE(std::ranges::any_of(readers, [](auto& reader) { return reader.connections > 1; }));
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Seeds, FollowersOverFaultyRing, testing::Range(1, 1 + kSeeds));

}  // namespace
}  // namespace mana_sync::server
