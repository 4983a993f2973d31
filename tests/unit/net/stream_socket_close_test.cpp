// How connections end.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "mana_sync/net/stream_socket.h"
#include "net_fixture.h"

namespace mana_sync::net {
namespace {

constexpr size_t kMoreThanTheKernelTakes = 32 * limits::kMiB;

class StreamSocketCloseTest : public NetTest {
 protected:
  StreamSocketCloseTest() : peer_(connect(recorder_)) {}
  void run_ticks(int count) {
    loop_->run_until([&] { return --count <= 0; });
  }
  void run_until_closed() {
    loop_->run_until([&] { return recorder_.is_closed; });
  }
  void run_until_peer_sees_the_end() {
    loop_->run_until([&] {
      peer_.read();
      return peer_.is_finished || peer_.error != 0;
    });
  }

  Recorder recorder_;
  Peer peer_;
};

TEST_F(StreamSocketCloseTest, CloseSendsWhatIsQueuedFirst) {
  const std::string text = pattern(kMoreThanTheKernelTakes);
  recorder_.socket->send(text);
  recorder_.socket->close();
  recorder_.socket->send("ignored");
  EXPECT_FALSE(recorder_.is_closed);  // never from within the call
  run_ticks(3);
  EXPECT_FALSE(recorder_.is_closed);
  run_until_peer_sees_the_end();
  EXPECT_TRUE(peer_.is_finished);
  EXPECT_TRUE(peer_.received == text);
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, CloseWithNothingQueued) {
  recorder_.socket->close();
  recorder_.socket->close();
  run_until_closed();
  run_until_peer_sees_the_end();
  EXPECT_TRUE(peer_.is_finished);
}

TEST_F(StreamSocketCloseTest, CloseFromWithinOnReceive) {
  recorder_.receive_hook = [&](std::string_view) {
    recorder_.socket->send("bye");
    recorder_.socket->close();
    EXPECT_FALSE(recorder_.is_closed);
  };
  peer_.write("hello");
  run_until_closed();
  run_until_peer_sees_the_end();
  EXPECT_EQ(peer_.received, "bye");
}

// PROTOCOL 9.3: a refusal closes without a reset that would swallow the answer.
TEST_F(StreamSocketCloseTest, InputThatArrivesWhileClosingIsDroppedAndDoesNotResetTheAnswer) {
  const std::string text = pattern(kMoreThanTheKernelTakes);
  recorder_.receive_hook = [&](std::string_view) {
    recorder_.socket->pause_receive();
    recorder_.socket->send(text);
    recorder_.socket->close();
  };
  peer_.write("request");
  loop_->run_until([&] { return recorder_.received == "request"; });
  const std::string more(100'000, 'm');
  size_t written = 0;
  loop_->run_until([&] {
    written += peer_.write(more);
    return written > 3 * kMoreThanTheKernelTakes;
  });
  EXPECT_TRUE(recorder_.received == "request");
  run_until_peer_sees_the_end();
  EXPECT_TRUE(peer_.received == text);
  EXPECT_TRUE(peer_.is_finished);
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, AbortWithOutputPendingResetsThePeer) {
  recorder_.socket->send(pattern(kMoreThanTheKernelTakes));
  run_ticks(5);
  ASSERT_GT(recorder_.socket->pending_bytes(), 0U);
  recorder_.socket->abort();
  recorder_.socket->abort();
  EXPECT_FALSE(recorder_.is_closed);
  run_until_closed();
  run_until_peer_sees_the_end();
  EXPECT_EQ(peer_.error, ECONNRESET);  // and not an end that looks like the whole
}

TEST_F(StreamSocketCloseTest, AbortOfAnIdleSocketFinishesInOrder) {
  recorder_.socket->send("all of it");
  loop_->run_until([&] { return recorder_.sent_calls == 1; });
  recorder_.socket->abort();
  run_until_closed();
  run_until_peer_sees_the_end();
  EXPECT_TRUE(peer_.is_finished);
  EXPECT_EQ(peer_.received, "all of it");
}

TEST_F(StreamSocketCloseTest, AbortRightAfterAdoption) {
  recorder_.socket->abort();
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, AbortWhilePausedWithBytesHeld) {
  recorder_.receive_hook = [&](std::string_view) { recorder_.socket->pause_receive(); };
  peer_.write("a");
  loop_->run_until([&] { return recorder_.received == "a"; });
  peer_.write("b");
  run_ticks(5);
  recorder_.socket->resume_receive();
  recorder_.socket->abort();
  run_until_closed();
  EXPECT_EQ(recorder_.received, "a");
}

TEST_F(StreamSocketCloseTest, AbortFromWithinOnReceiveDropsTheRest) {
  recorder_.receive_hook = [&](std::string_view) { recorder_.socket->abort(); };
  peer_.write(pattern(limits::kMiB));
  run_until_closed();
  EXPECT_LE(recorder_.received.size(), limits::kReceiveBufferBytes);
}

TEST_F(StreamSocketCloseTest, APeersResetCloses) {
  peer_.close_with_reset();
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, APeersResetWithASendInFlightCloses) {
  recorder_.socket->send(pattern(kMoreThanTheKernelTakes));
  run_ticks(5);
  peer_.close_with_reset();
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, APeerThatHasGoneFailsTheSendWithoutASignal) {
  peer_.fd.close();
  loop_->run_until([&] { return recorder_.has_peer_finished; });
  loop_->run_until([&] {
    if (!recorder_.is_closed) recorder_.socket->send("anyone?");
    return recorder_.is_closed;
  });
}

TEST_F(StreamSocketCloseTest, AfterThePeersHalfCloseItCanStillSend) {
  peer_.write("question");
  ::shutdown(peer_.fd.get(), SHUT_WR);
  loop_->run_until([&] { return recorder_.has_peer_finished; });
  EXPECT_EQ(recorder_.received, "question");
  recorder_.socket->send("answer");
  recorder_.socket->close();
  run_until_peer_sees_the_end();
  EXPECT_EQ(peer_.received, "answer");
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, HeldBytesComeBeforeTheNewsThatThePeerFinished) {
  recorder_.socket->pause_receive();
  peer_.write("last words");
  ::shutdown(peer_.fd.get(), SHUT_WR);
  run_ticks(5);
  EXPECT_EQ(recorder_.received, "");
  EXPECT_FALSE(recorder_.has_peer_finished);
  recorder_.socket->resume_receive();
  loop_->run_until([&] { return recorder_.has_peer_finished; });
  EXPECT_EQ(recorder_.received, "last words");
}

TEST_F(StreamSocketCloseTest, FinishSendingGoesOnToReceive) {
  const std::string text = pattern(kMoreThanTheKernelTakes);
  recorder_.socket->send(text);
  recorder_.socket->finish_sending();
  recorder_.socket->send("ignored");
  run_until_peer_sees_the_end();
  EXPECT_TRUE(peer_.is_finished);
  EXPECT_TRUE(peer_.received == text);
  peer_.write("still here");
  loop_->run_until([&] { return recorder_.received == "still here"; });
  EXPECT_FALSE(recorder_.is_closed);
  recorder_.socket->close();
  run_until_closed();
}

TEST_F(StreamSocketCloseTest, TheOwnerMayFreeItselfInOnClosed) {
  struct Owner final : SocketEvents {
    explicit Owner(bool& freed) : is_freed(freed) {}
    ~Owner() override { is_freed = true; }
    void on_receive(std::string_view) override {}
    void on_peer_finished() override { socket->close(); }
    void on_sent(size_t) override {}
    void on_closed() override { delete this; }
    StreamSocket* socket = nullptr;
    bool& is_freed;
  };
  bool is_freed = false;
  auto [server, client] = connected_pair();
  auto* const owner = new Owner(is_freed);
  owner->socket = StreamSocket::adopt(*loop_, server.release(), *owner);
  client.close();
  loop_->run_until([&] { return is_freed; });
}

TEST_F(StreamSocketCloseTest, AnOwnerMayAbortOthersInOnClosed) {
  struct Chain final : SocketEvents {
    void on_receive(std::string_view) override {}
    void on_peer_finished() override {}
    void on_sent(size_t) override {}
    void on_closed() override {
      is_closed = true;
      if (next != nullptr) next->socket->abort();
    }
    StreamSocket* socket = nullptr;
    Chain* next = nullptr;
    bool is_closed = false;
  };
  std::deque<Chain> chain(5);
  std::vector<Descriptor> clients;
  for (size_t i = 0; i < chain.size(); ++i) {
    auto [server, client] = connected_pair();
    chain[i].socket = StreamSocket::adopt(*loop_, server.release(), chain[i]);
    if (i > 0) chain[i - 1].next = &chain[i];
    clients.push_back(std::move(client));
  }
  chain[0].socket->abort();
  loop_->run_until([&] { return chain.back().is_closed; });
}

TEST_F(StreamSocketCloseTest, TheLoopsEndReleasesOpenSocketsWithoutAWord) {
  std::deque<Recorder> recorders(20);
  std::vector<Peer> peers;
  for (Recorder& recorder : recorders) {
    peers.push_back(connect(recorder));
    peers.back().write("unread");
    recorder.socket->send(pattern(4 * limits::kMiB));
  }
  run_ticks(2);
  for (Recorder& recorder : recorders) recorder.socket->send("more");
  loop_.reset();
  EXPECT_FALSE(recorder_.is_closed);
  for (Peer& peer : peers) {
    while (!peer.is_finished && peer.error == 0) peer.read();
  }
}

}  // namespace
}  // namespace mana_sync::net
