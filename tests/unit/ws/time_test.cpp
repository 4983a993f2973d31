// Silence, slow readers, and what is held meanwhile (PROTOCOL 6.2, 6.5).
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "mana_sync/base/limits.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

using limits::kWebSocketPingAfterMs;
using limits::kWebSocketPongTimeoutMs;
using WsTime = WsTest;

const std::string kPing = server_frame(9, "");

TEST_F(WsTime, SilentPeerIsPingedAndThenClosed) {  // PROTOCOL 6.5
  Link& link = open();
  let_pass_ms(kWebSocketPingAfterMs - 1);
  EXPECT_EQ(link.peer.received, "");
  let_pass_ms(2);
  EXPECT_EQ(receive(link, kPing.size()), kPing);
  let_pass_ms(kWebSocketPongTimeoutMs - 1);
  EXPECT_EQ(link.peer.received, "");
  let_pass_ms(2);
  EXPECT_EQ(receive_all(link), server_close(1001));
  EXPECT_EQ(closed("silent"), 1);
  let_pass_ms(limits::kWebSocketCloseTimeoutMs + 1);
  run_until([&] { return link.is_closed; });
}

TEST_F(WsTime, AnythingHeardCountsAsASignOfLife) {
  Link& link = open();
  for (const std::string& sign : {part(10, "", true), text("x"), part(1, "begun", false),
                                  std::string("\x80"), std::string("\x80"), std::string("1234")}) {
    let_pass_ms(kWebSocketPingAfterMs + 1);
    EXPECT_EQ(receive(link, kPing.size()), kPing);
    let_pass_ms(kWebSocketPongTimeoutMs - 1);
    send(link, sign);
    run_ticks();
    let_pass_ms(kWebSocketPingAfterMs - 1);
    EXPECT_EQ(link.peer.received, "");
  }
  EXPECT_TRUE(link.connection->is_open());
}

TEST_F(WsTime, TalkativePeerIsNotPinged) {
  Link& link = open();
  for (int i = 0; i < 5; ++i) {
    let_pass_ms(kWebSocketPingAfterMs - 1);
    send(link, text("x"));
    run_ticks();
  }
  EXPECT_EQ(link.peer.received, "");
}

TEST_F(WsTime, PeerThatTakesNothingIsClosed) {  // PROTOCOL 6.2
  Link& link = open(false, {}, 16 * 1024);
  is_reading_ = false;
  const std::string large(16 * limits::kMiB, 'x');
  link.connection->send_text(large);
  run_ticks(100);
  ASSERT_GT(link.connection->pending_bytes(), 0u);
  let_pass_ms(limits::kWebSocketStallTimeoutMs - 1);
  EXPECT_FALSE(link.is_closed);
  let_pass_ms(2);
  run_until([&] { return link.is_closed; });
  EXPECT_EQ(closed("stalled"), 1);
  is_reading_ = true;
  run_until([&] { return link.peer.error != 0; });  // a part is not taken for the whole
}

TEST_F(WsTime, SlowReaderGetsAllAndIsNotPingedMeanwhile) {
  Link& link = open(false, {}, 16 * 1024);
  is_reading_ = false;
  const std::string large(16 * limits::kMiB, 'x');
  link.connection->send_text(large);
  run_ticks(100);
  for (int i = 0; i < 8; ++i) {
    const size_t pending_bytes = link.connection->pending_bytes();
    ASSERT_GT(pending_bytes, 0u);
    let_pass_ms(limits::kWebSocketStallTimeoutMs - 1);
    run_until([&] {
      link.peer.read(100'000);
      return link.connection->pending_bytes() < pending_bytes;
    });
  }
  is_reading_ = true;
  const std::string expected = server_frame(1, large);
  EXPECT_TRUE(receive(link, expected.size()) == expected);
}

TEST_F(WsTime, PeerThatReadsNoAnswersIsNotRead) {
  // Pings without end: pongs wait for their reader, and so does what asks for more of them.
  Link& link = open(false, {}, 16 * 1024);
  is_reading_ = false;
  std::string pings;
  for (int i = 0; i < 100; ++i) pings += ping(std::string(125, 'p'));
  size_t sent_bytes = 0;
  int idle_ticks = 0;
  run_until([&] {
    const size_t offset = sent_bytes % pings.size();
    const size_t written = link.peer.write(std::string_view(pings).substr(offset));
    sent_bytes += written;
    idle_ticks = written > 0 ? 0 : idle_ticks + 1;
    return idle_ticks > 50;
  });
  EXPECT_LE(link.connection->pending_bytes(),
            limits::kWebSocketOutputBytesMax + limits::kReceiveBufferBytes);
  EXPECT_TRUE(link.connection->is_open());

  // Whoever reads again is answered in full.
  is_reading_ = true;
  const int large_buffer_bytes = 1 << 22;
  ::setsockopt(link.peer.fd.get(), SOL_SOCKET, SO_RCVBUF, &large_buffer_bytes, sizeof(int));
  std::string_view rest = std::string_view(pings).substr(sent_bytes % pings.size());
  if (sent_bytes % pings.size() == 0) rest = {};
  run_until([&] {
    const size_t written = link.peer.write(rest);
    rest.remove_prefix(written);
    return rest.empty();
  });
  const size_t count = (sent_bytes + pings.size() - 1) / pings.size() * 100;
  EXPECT_EQ(receive(link, count * 127).size(), count * 127);
}

TEST_F(WsTime, CloseFrameOfAPeerThatReadsNothingIsWaitedForOnlySoLong) {
  Link& link = open(false, {}, 16 * 1024);
  is_reading_ = false;
  link.connection->send_text(std::string(16 * limits::kMiB, 'x'));
  run_ticks(100);
  link.connection->close(CloseCode::kGoingAway);
  let_pass_ms(limits::kWebSocketCloseTotalTimeoutMs - 1);
  EXPECT_FALSE(link.is_closed);
  let_pass_ms(2);
  run_until([&] { return link.is_closed; });
}

TEST_F(WsTime, CloseIsSeenBehindInputThatWaited) {
  Link& link = open(true, {}, 16 * 1024);
  is_reading_ = false;
  link.connection->send_text(std::string(16 * limits::kMiB, 'x'));
  run_ticks(100);
  send(link, text("not looked at yet") + close(1000));
  run_ticks();
  EXPECT_TRUE(link.texts.empty());
  link.connection->close(CloseCode::kGoingAway);
  is_reading_ = true;
  const std::string received = receive_all(link);
  EXPECT_TRUE(received.ends_with(server_close(1001)));
  EXPECT_TRUE(link.texts.empty());
  finish(link);
}

TEST_F(WsTime, SessionIsWokenOnceWhenItAsked) {
  Link& link = open();
  const auto in_ms = [&](int64_t ms) { return loop_->now_ns() + ms * 1'000'000; };
  link.connection->wake_at(in_ms(10'000));
  let_pass_ms(9'999);
  EXPECT_EQ(link.wakes, 0);
  let_pass_ms(2);
  EXPECT_EQ(link.wakes, 1);
  link.connection->wake_at(in_ms(20'000));
  link.connection->wake_at(in_ms(5'000));
  let_pass_ms(5'001);
  EXPECT_EQ(link.wakes, 2);
  link.connection->wake_at(in_ms(5'000));
  link.connection->wake_at(Connection::kNever);
  let_pass_ms(60'000);
  EXPECT_EQ(link.wakes, 2);
}

TEST_F(WsTime, ClosingSessionIsNotWoken) {
  Link& link = open();
  link.connection->wake_at(loop_->now_ns() + 1'000'000'000);
  link.connection->close(CloseCode::kNormal);
  let_pass_ms(1'001);
  EXPECT_EQ(link.wakes, 0);
}

}  // namespace
}  // namespace mana_sync::ws
