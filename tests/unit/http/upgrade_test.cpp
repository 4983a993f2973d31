// Connections that leave HTTP: nothing that was sent is lost, and the server still knows them.
#include "mana_sync/http/upgrade.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

const std::string kUpgradeHeaders = "Host: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const std::string kUpgradeLater = "GET /later HTTP/1.1\r\n" + kUpgradeHeaders;
const std::string kUpgradeHook = "GET /hook HTTP/1.1\r\n" + kUpgradeHeaders;

// What became of one upgraded connection.
struct Story {
  net::StreamSocket* socket = nullptr;  // set by on_open
  std::string received;
  bool has_peer_finished = false;
  bool was_told_of_shutdown = false;
  bool was_closed = false;
  bool was_destroyed = false;
};

// Sends back what it gets; says `bye` at the shutdown.
class Echo final : public UpgradedConnection {
 public:
  explicit Echo(Story& story) : story_(story) {}
  ~Echo() override { story_.was_destroyed = true; }
  void on_open(net::StreamSocket& socket) override {
    EXPECT_EQ(story_.socket, nullptr);
    story_.socket = &socket;
  }
  void on_receive(std::string_view bytes) override {
    ASSERT_NE(story_.socket, nullptr);
    story_.received += bytes;
    story_.socket->send(std::string(bytes));
  }
  void on_peer_finished() override {
    story_.has_peer_finished = true;
    story_.socket->close();
  }
  void on_sent(size_t) override {}
  void on_closed() override {
    EXPECT_FALSE(story_.was_closed);
    story_.was_closed = true;
  }
  void on_shutdown() override {
    ASSERT_NE(story_.socket, nullptr);
    story_.was_told_of_shutdown = true;
    story_.socket->send("bye");
    story_.socket->close();
  }

 private:
  Story& story_;
};

Response switching() {
  Response response;
  response.headers.emplace_back("Upgrade", "echo");
  return response;
}

std::string pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

class HttpUpgrade : public HttpTest {
 protected:
  HttpUpgrade() { start(default_options()); }
  ~HttpUpgrade() override { stop(); }

  static bool upgrade(const Responder& responder, Story& story) {
    return responder.upgrade(switching(), std::make_unique<Echo>(story));
  }
  // A client that has left HTTP.
  Client& connect_upgraded(Story& story) {
    Client& client = connect();
    EXPECT_TRUE(upgrade(ask(client, kUpgradeLater), story));
    EXPECT_EQ(next_answer(client).status, 101);
    return client;
  }
  void expect_received(Client& client, const std::string& text) {
    run_until([&] { return client.received().size() >= text.size(); });
    EXPECT_TRUE(client.received() == text);
  }

  std::deque<Story> stories_;  // written until the server has stopped
};

TEST_F(HttpUpgrade, IsAnsweredWithTheHandlersHeaders) {  // RFC 9110 §15.2.2
  Story& story = stories_.emplace_back();
  Client& client = connect();
  const Responder responder =
      ask(client, "GET /later HTTP/1.1\r\nOrigin: " + kOrigin + "\r\n" + kUpgradeHeaders);
  EXPECT_TRUE(upgrade(responder, story));
  EXPECT_EQ(story.socket, nullptr) << "it was called from within upgrade()";
  EXPECT_FALSE(responder.waiting());
  EXPECT_FALSE(responder.respond(text_response("late")));
  const Answer answer = next_answer(client);
  EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_EQ(answer.headers,
            (std::map<std::string, std::string>{{"Date", "Tue, 14 Nov 2023 22:13:20 GMT"},
                                                {"Connection", "Upgrade"},
                                                {"Upgrade", "echo"},
                                                {"Access-Control-Allow-Origin", kOrigin},
                                                {"Access-Control-Allow-Credentials", "true"},
                                                {"Vary", "Origin"}}));
  ASSERT_EQ(handler_.answers.size(), 1u);
  EXPECT_EQ(handler_.answers[0].status, 101);
}

TEST_F(HttpUpgrade, GetsWhatFollowsTheRequestAtOnce) {
  Story& story = stories_.emplace_back();
  handler_.hook = [&](Request&, Responder responder) { EXPECT_TRUE(upgrade(responder, story)); };
  Client& client = connect();
  const std::string text = pattern(1024 * 1024);
  client.send(kGet + kUpgradeHook + text);
  EXPECT_EQ(next_answer(client).status, 200);
  EXPECT_EQ(next_answer(client).status, 101);
  expect_received(client, text);
}

TEST_F(HttpUpgrade, GetsWhatFollowedTheRequestLongBefore) {
  Story& story = stories_.emplace_back();
  Client& client = connect();
  const std::string text = pattern(1024 * 1024);
  const Responder responder = ask(client, kUpgradeLater + text);
  run_ticks(100);  // more waits than the server takes before the answer
  EXPECT_TRUE(upgrade(responder, story));
  EXPECT_EQ(next_answer(client).status, 101);
  expect_received(client, text);
  client.send("more");
  expect_received(client, text + "more");
}

TEST_F(HttpUpgrade, HearsThatTheClientHadFinished) {
  for (const std::string text : {"", "last words"}) {
    Story& story = stories_.emplace_back();
    Client& client = connect();
    client.send(kUpgradeLater + text);
    const size_t before = handler_.waiting.size();
    run_until([&] { return handler_.waiting.size() > before; });
    client.finish_sending();
    run_ticks();
    EXPECT_TRUE(upgrade(handler_.waiting.back(), story));
    EXPECT_EQ(next_answer(client).status, 101);
    wait_for_end(client);
    EXPECT_TRUE(story.has_peer_finished);
    EXPECT_EQ(client.received(), text);
  }
}

TEST_F(HttpUpgrade, EndsWithItsSocket) {
  Story& story = stories_.emplace_back();
  Client& client = connect_upgraded(story);
  client.close_with_reset();
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(story.was_closed);
  EXPECT_TRUE(story.was_destroyed);
}

TEST_F(HttpUpgrade, IsDestroyedWithoutACallWhereNobodyWaits) {
  Client& client = connect();
  const Responder responder = ask(client, kUpgradeLater);
  client.close_with_reset();
  run_until([&] { return server_->drained(); });
  Story& late = stories_.emplace_back();
  EXPECT_FALSE(upgrade(responder, late));
  EXPECT_TRUE(late.was_destroyed);

  Story& aborted = stories_.emplace_back();
  EXPECT_TRUE(upgrade(ask(connect(), kUpgradeLater), aborted));
  server_->abort_all();
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(aborted.was_destroyed);
  EXPECT_EQ(aborted.socket, nullptr);
  EXPECT_FALSE(aborted.was_closed);
}

TEST_F(HttpUpgrade, HasNoneOfHttpsTimeouts) {
  Story& story = stories_.emplace_back();
  Client& client = connect_upgraded(story);
  let_pass_ms(3'600'000);
  client.send("still here");
  expect_received(client, "still here");
}

TEST_F(HttpUpgrade, ShutdownTellsEachAndDrains) {  // PROTOCOL 6.7
  Story& old = stories_.emplace_back();
  Client& client = connect_upgraded(old);
  Story& fresh = stories_.emplace_back();
  Client& fresh_client = connect();
  EXPECT_TRUE(upgrade(ask(fresh_client, kUpgradeLater), fresh));
  Story& late = stories_.emplace_back();
  Client& late_client = connect();
  const Responder late_responder = ask(late_client, kUpgradeLater);
  EXPECT_EQ(server_->connection_count(), 3u);
  server_->begin_shutdown();
  server_->begin_shutdown();
  EXPECT_FALSE(server_->drained());
  EXPECT_TRUE(upgrade(late_responder, late));
  EXPECT_EQ(next_answer(fresh_client).status, 101);
  EXPECT_EQ(next_answer(late_client).status, 101);
  for (Client* each : {&client, &fresh_client, &late_client}) {
    wait_for_end(*each);
    EXPECT_EQ(each->received(), "bye");
    EXPECT_EQ(each->error(), 0);
  }
  run_until([&] { return server_->drained(); });
  EXPECT_TRUE(old.was_destroyed && fresh.was_destroyed && late.was_destroyed);
}

TEST_F(HttpUpgrade, AbortClosesWhatIsLeft) {
  Story& story = stories_.emplace_back();
  Client& client = connect_upgraded(story);
  server_->abort_all();
  run_until([&] { return server_->drained() && client.saw_end(); });
  EXPECT_TRUE(story.was_closed);
  EXPECT_FALSE(story.was_told_of_shutdown);
}

TEST_F(HttpUpgrade, LeavesNothingOfHttpInMemory) {
  if (!allocated_bytes()) GTEST_SKIP() << "the allocator does not tell";
  constexpr size_t kConnections = 100;
  constexpr size_t kHeadBytes = 12 * limits::kKiB;
  for (size_t i = 0; i < kConnections; ++i) {
    ask(connect(),
        "GET /later HTTP/1.1\r\nX: " + std::string(kHeadBytes, 'x') + "\r\n" + kUpgradeHeaders);
  }
  const size_t before = *allocated_bytes();
  for (const Responder& responder : handler_.waiting) upgrade(responder, stories_.emplace_back());
  run_until([&] { return stories_.back().socket != nullptr; });
  const size_t freed_each = (before - *allocated_bytes()) / kConnections;
  EXPECT_GT(freed_each, kHeadBytes);
  EXPECT_LT(freed_each, 8 * kHeadBytes) << "it grew";
}

TEST_F(HttpUpgrade, CountsAsAConnectionAsBefore) {
  stop();
  ServerOptions options = default_options();
  options.connections_max = 2;
  start(options);
  connect_upgraded(stories_.emplace_back());
  connect_upgraded(stories_.emplace_back());
  EXPECT_EQ(server_->connection_count(), 2u);
  EXPECT_EQ(exchange(connect(), kGet).status, 503);
}

}  // namespace
}  // namespace mana_sync::http
