#include "mana_sync/net/stream_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "net_fixture.h"

namespace mana_sync::net {
namespace {

constexpr size_t kLargeBytes = 32 * limits::kMiB;

using StreamSocketTest = NetTest;

TEST_F(StreamSocketTest, EchoesOverTcp) {
  Recorder recorder;
  Peer peer = connect(recorder);
  recorder.receive_hook = [&](std::string_view bytes) {
    recorder.socket->send(std::string(bytes));
  };
  for (const std::string word : {"one ", "two ", "three"}) {
    const size_t expected = peer.received.size() + word.size();
    peer.write(word);
    loop_->run_until([&] {
      peer.read();
      return peer.received.size() == expected;
    });
  }
  EXPECT_EQ(peer.received, "one two three");
  EXPECT_EQ(recorder.sent_calls, 3);
  EXPECT_EQ(recorder.socket->pending_bytes(), 0U);
}

TEST_F(StreamSocketTest, TakesANonBlockingDescriptorToo) {
  auto [server, client] = connected_pair();
  ::fcntl(server.get(), F_SETFL, O_NONBLOCK);
  Recorder recorder;
  recorder.socket = StreamSocket::adopt(*loop_, server.release(), recorder);
  Peer peer(std::move(client));
  int ticks = 0;
  loop_->run_until([&] { return ++ticks == 3; });
  peer.write("late");
  loop_->run_until([&] { return recorder.received == "late"; });
}

TEST_F(StreamSocketTest, WritesOfOneTickLeaveInOneSend) {
  // Records keep the bounds of sends, which TCP would hide.
  std::array<int, 2> fds;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()), 0);
  const Descriptor peer(fds[1]);
  Recorder recorder;
  StreamSocket* const socket = StreamSocket::adopt(*loop_, fds[0], recorder);
  const auto shared = std::make_shared<const std::string>(5000, 's');
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    socket->send(std::to_string(i));
    socket->send_shared({shared, *shared});
    expected += std::to_string(i) + *shared;
  }
  EXPECT_EQ(socket->pending_bytes(), expected.size());
  loop_->run_until([&] { return recorder.sent_calls > 0; });
  std::string record(expected.size() + 1, '\0');
  ASSERT_EQ(::recv(peer.get(), record.data(), record.size(), MSG_DONTWAIT),
            static_cast<ssize_t>(expected.size()));
  record.pop_back();
  EXPECT_EQ(record, expected);
  EXPECT_EQ(recorder.sent_calls, 1);
}

TEST_F(StreamSocketTest, MoreBytesThanTheKernelTakesArriveInOrder) {
  Recorder recorder;
  Peer peer = connect(recorder);
  const std::string text = pattern(kLargeBytes);
  // Pieces of all sizes, shared ones among them, more than one sendmsg can carry.
  for (size_t begin = 0, piece = 1; begin < text.size();
       begin += piece, piece = piece * 3 % 65'521) {
    std::string bytes = text.substr(begin, piece);
    if (piece % 2 == 0) {
      recorder.socket->send(std::move(bytes));
    } else {
      const auto owner = std::make_shared<const std::string>(std::move(bytes));
      recorder.socket->send_shared({owner, *owner});
    }
  }
  EXPECT_EQ(recorder.socket->pending_bytes(), text.size());
  loop_->run_until([&] {
    peer.read(300'000);  // slower than the socket
    return peer.received.size() == text.size();
  });
  EXPECT_TRUE(peer.received == text);
  EXPECT_GT(recorder.sent_calls, 2);
  EXPECT_EQ(recorder.socket->pending_bytes(), 0U);
}

TEST_F(StreamSocketTest, OutputWithoutNewsLeavesWithoutNews) {
  Recorder recorder;
  Peer peer = connect(recorder);
  const auto run_until_received = [&](std::string_view expected) {
    loop_->run_until([&] {
      peer.read();
      return peer.received == expected;
    });
  };
  recorder.socket->send_without_news("one ");
  recorder.socket->send_without_news("two ");
  run_until_received("one two ");
  EXPECT_EQ(recorder.socket->pending_bytes(), 0U);
  EXPECT_EQ(recorder.sent_calls, 0);
  recorder.socket->send_without_news("three ");
  recorder.socket->send("four");
  run_until_received("one two three four");
  loop_->run_until([&] { return recorder.sent_calls == 1; });
}

TEST_F(StreamSocketTest, OutputWithoutNewsThatThePeerDoesNotTakeIsToldOf) {
  Recorder recorder;
  Peer peer = connect(recorder);
  // Small pieces, tick by tick, until the kernel takes no more.
  std::string sent;
  loop_->run_until([&] {
    if (recorder.socket->pending_bytes() > 0) return true;
    const std::string piece = pattern(limits::kSentAtOnceBytesMax);
    recorder.socket->send_without_news(piece);
    sent += piece;
    return false;
  });
  loop_->run_until([&] {
    peer.read();
    return peer.received.size() == sent.size();
  });
  EXPECT_EQ(peer.received, sent);
  loop_->run_until([&] { return recorder.sent_calls > 0; });
  EXPECT_EQ(recorder.socket->pending_bytes(), 0U);
}

TEST_F(StreamSocketTest, EchoesTensOfMegabytesBothWays) {
  Recorder recorder;
  Peer peer = connect(recorder);
  recorder.receive_hook = [&](std::string_view bytes) {
    recorder.socket->send(std::string(bytes));
  };
  const std::string text = pattern(kLargeBytes);
  size_t written = 0;
  loop_->run_until([&] {
    written += peer.write(std::string_view(text).substr(written));
    peer.read(200'000);
    return peer.received.size() == text.size();
  });
  EXPECT_TRUE(recorder.received == text);
  EXPECT_TRUE(peer.received == text);
}

TEST_F(StreamSocketTest, OutputMadeWhileASendIsInFlightFollowsIt) {
  Recorder recorder;
  Peer peer = connect(recorder);
  std::string expected = pattern(8 * limits::kMiB);
  recorder.socket->send(expected);
  int ticks = 0;
  loop_->run_until([&] { return ++ticks == 5; });
  ASSERT_GT(recorder.socket->pending_bytes(), 0U);  // nobody reads: the send waits
  for (int i = 0; i < 1000; ++i) {
    const std::string more = std::to_string(i) + ",";
    expected += more;
    recorder.socket->send(more);
  }
  loop_->run_until([&] {
    peer.read();
    return peer.received.size() == expected.size();
  });
  EXPECT_TRUE(peer.received == expected);
}

TEST_F(StreamSocketTest, PausedItKeepsSilentAndLosesNothing) {
  Recorder recorder;
  Peer peer = connect(recorder);
  recorder.receive_hook = [&](std::string_view) { recorder.socket->pause_receive(); };
  const std::string text = pattern(kLargeBytes);
  size_t written = 0;
  // Many completions are in one tick's array: the first pauses.
  const auto write_more = [&] { written += peer.write(std::string_view(text).substr(written)); };
  write_more();
  loop_->run_until([&] { return !recorder.received.empty(); });
  const size_t received_at_pause = recorder.received.size();
  int ticks = 0;
  loop_->run_until([&] {
    write_more();
    return ++ticks == 20;
  });
  EXPECT_EQ(recorder.received.size(), received_at_pause);
  EXPECT_LT(written, text.size());  // back pressure reaches the peer
  loop_->run_until([&] {
    recorder.socket->resume_receive();  // each call of on_receive pauses again
    write_more();
    return recorder.received.size() == text.size();
  });
  EXPECT_TRUE(recorder.received == text);
}

TEST_F(StreamSocketTest, OneMayPauseAnotherWhoseBytesHaveArrived) {
  Recorder first;
  Recorder second;
  Peer first_peer = connect(first);
  Peer second_peer = connect(second);
  first.receive_hook = [&](std::string_view) { second.socket->pause_receive(); };
  second.receive_hook = [&](std::string_view) { first.socket->pause_receive(); };
  first_peer.write("a");
  second_peer.write("b");
  int ticks = 0;
  loop_->run_until([&] { return ++ticks == 5; });
  EXPECT_EQ(first.received.size() + second.received.size(), 1U);
  first.socket->resume_receive();
  second.socket->resume_receive();
  EXPECT_EQ(first.received.size() + second.received.size(), 1U);  // not from within the call
  loop_->run_until([&] { return first.received == "a" && second.received == "b"; });
}

TEST_F(StreamSocketTest, APauseThatEndsBeforeBytesArriveChangesNothing) {
  Recorder recorder;
  Peer peer = connect(recorder);
  for (int i = 0; i < 3; ++i) {
    recorder.socket->pause_receive();
    loop_->run_until([] { return true; });
    recorder.socket->resume_receive();
    peer.write("x");
    loop_->run_until([&] { return recorder.received.size() == static_cast<size_t>(i) + 1; });
  }
}

TEST_F(StreamSocketTest, HandedOverItTellsItsNewOwnerOnlyAndUnreadBytesFirst) {
  Recorder first;
  Recorder second;
  Peer peer = connect(first);
  peer.write("one");
  loop_->run_until([&] { return first.received == "one"; });
  first.socket->pause_receive();
  peer.write(" two");
  int ticks = 0;
  loop_->run_until([&] { return ++ticks == 5; });
  first.socket->resume_receive();
  first.socket->hand_over(second, "one");
  EXPECT_EQ(second.received, "");  // not from within the call
  peer.write(" three");
  loop_->run_until([&] { return second.received == "one two three"; });
  first.socket->send("answer");
  loop_->run_until([&] { return second.sent_calls == 1; });
  ::shutdown(peer.fd.get(), SHUT_WR);
  loop_->run_until([&] { return second.has_peer_finished; });
  EXPECT_EQ(first.received, "one");
  EXPECT_EQ(first.sent_calls, 0);
  EXPECT_FALSE(first.has_peer_finished || first.is_closed);
}

TEST_F(StreamSocketTest, HandedOverItTellsAgainThatThePeerFinished) {
  for (const std::string unread : {"", "unread"}) {
    Recorder first;
    Recorder second;
    Peer peer = connect(first);
    ::shutdown(peer.fd.get(), SHUT_WR);
    loop_->run_until([&] { return first.has_peer_finished; });
    first.socket->hand_over(second, unread);
    EXPECT_FALSE(second.has_peer_finished);
    loop_->run_until([&] { return second.has_peer_finished; });
    EXPECT_EQ(second.received, unread);
    first.socket->close();
    loop_->run_until([&] { return second.is_closed; });
    EXPECT_FALSE(first.is_closed);
  }
}

TEST_F(StreamSocketTest, MoreSocketsWithDataThanBuffersAllGetTheirs) {
  constexpr size_t kSockets = limits::kReceiveBufferCount + 200;
  std::deque<Recorder> recorders(kSockets);
  std::vector<Peer> peers;
  for (Recorder& recorder : recorders) {
    peers.push_back(connect(recorder));
    peers.back().write("hello");
  }
  loop_->run_until([&] {
    return std::all_of(recorders.begin(), recorders.end(),
                       [](const Recorder& recorder) { return recorder.received == "hello"; });
  });
  EXPECT_FALSE(has_metric("mana_sync_receive_starved_total 0"));
  // And they go on to receive.
  for (Peer& peer : peers) peer.write("!");
  loop_->run_until([&] {
    return std::all_of(recorders.begin(), recorders.end(),
                       [](const Recorder& recorder) { return recorder.received == "hello!"; });
  });
}

}  // namespace
}  // namespace mana_sync::net
