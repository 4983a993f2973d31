// Sending, closing, and connections that break.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "mana_sync/base/limits.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

using WsConnection = WsTest;

SharedBytes shared(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  return {owner, *owner};
}

TEST_F(WsConnection, SendsMessagesInOrder) {
  Link& link = open();
  const std::string large(100'000, 'l');
  link.connection->send_text("one");
  link.connection->send_text(shared("two"));
  link.connection->send_text(shared(large));
  link.connection->send_text("");
  EXPECT_GT(link.connection->pending_bytes(), large.size());
  const std::string expected = server_frame(1, "one") + server_frame(1, "two") +
                               server_frame(1, large) + server_frame(1, "");
  EXPECT_EQ(receive(link, expected.size()), expected);
  run_until([&] { return link.connection->pending_bytes() == 0; });
}

TEST_F(WsConnection, TellsWhenAllOutputIsTaken) {  // PROTOCOL 6.2
  Link& link = open(false, {}, 65'536);
  is_reading_ = false;
  const std::string large(8'000'000, 'l');
  link.connection->send_text(large);
  run_ticks();
  EXPECT_EQ(link.drains, 0);
  is_reading_ = true;
  run_until([&] { return link.drains == 1; });
  EXPECT_EQ(link.connection->pending_bytes(), 0u);
  link.connection->send_text("last");
  link.connection->close(CloseCode::kNormal);
  receive(link, large.size() + 10 + 6 + 4);
  EXPECT_EQ(link.drains, 1) << "nobody is told once it closes";
}

TEST_F(WsConnection, LetsGoOfSharedBytesOnceTheyAreSent) {
  Link& link = open();
  const auto owner = std::make_shared<const std::string>(200'000, 's');
  link.connection->send_text({owner, *owner});
  receive(link, owner->size());
  run_until([&] { return owner.use_count() == 1; });
}

TEST_F(WsConnection, ServerClosesWithAHandshake) {  // RFC 6455 §7.1.2
  Link& link = open();
  link.connection->send_text("last words");
  link.connection->close(CloseCode::kPolicyViolation, "invalid token");
  EXPECT_FALSE(link.connection->is_open());
  link.connection->send_text("too late");
  link.connection->close(CloseCode::kNormal);
  const std::string expected = server_frame(1, "last words") + server_close(1008, "invalid token");
  EXPECT_EQ(receive(link, expected.size()), expected);

  // Until the client's close frame comes, all else is ignored.
  send(link, text("ignored") + ping("ignored") + part(1, "begun", false));
  run_ticks();
  EXPECT_FALSE(link.peer.is_finished);
  send(link, close(1008));
  EXPECT_EQ(receive_all(link), "");
  finish(link);
  EXPECT_TRUE(link.texts.empty());
  EXPECT_EQ(closed("server"), 1);
}

TEST_F(WsConnection, ServerDoesNotWaitLongForTheClientsCloseFrame) {
  Link& link = open();
  link.connection->close(CloseCode::kNormal);
  EXPECT_EQ(receive(link, 4), server_close(1000));
  let_pass_ms(limits::kWebSocketCloseTimeoutMs - 1);
  EXPECT_FALSE(link.is_closed);
  let_pass_ms(2);
  run_until([&] { return link.is_closed; });
  EXPECT_EQ(receive_all(link), "");
}

TEST_F(WsConnection, BrokenCloseHandshakeEndsTheConnection) {
  Link& link = open();
  link.connection->close(CloseCode::kNormal);
  receive(link, 4);
  send(link, "\xff garbage");
  EXPECT_EQ(receive_all(link), "");
  finish(link);
}

TEST_F(WsConnection, ClientClosesWithAHandshake) {  // RFC 6455 §7.1.1
  Link& link = open();
  send(link, text("a") + close(4000, "bye"));
  EXPECT_EQ(receive_all(link), server_close(4000));
  EXPECT_FALSE(link.connection->is_open());
  EXPECT_FALSE(link.is_closed);
  link.connection->send_text("too late");
  finish(link);
  EXPECT_EQ(closed("client"), 1);
}

TEST_F(WsConnection, ServerDoesNotWaitLongForTheClientsEnd) {
  Link& link = open();
  send(link, close(1000));
  EXPECT_EQ(receive_all(link), server_close(1000));
  let_pass_ms(limits::kWebSocketCloseTimeoutMs - 1);
  EXPECT_FALSE(link.is_closed);
  let_pass_ms(2);
  run_until([&] { return link.is_closed; });
}

TEST_F(WsConnection, RefusedSenderStillReadsWhy) {
  // No reset swallows the close frame, though the client goes on for a while.
  Link& link = open();
  send(link, text(std::string(100'000, 'x')).substr(0, 50'000));
  run_ticks();
  for (int i = 0; i < 100; ++i) send(link, std::string(10'000, 'x'));
  EXPECT_EQ(receive_all(link), server_close(1009));
  finish(link);
  EXPECT_EQ(closed("too_big"), 1);
}

TEST_F(WsConnection, EndlessSenderIsCutOffAfterItsRefusal) {
  Link& link = open();
  send(link, part(2, "", true));
  EXPECT_EQ(receive_all(link), server_close(1003));
  const std::string megabyte(1'000'000, 'x');
  size_t sent_bytes = 0;
  run_until([&] {
    if (!link.is_closed) sent_bytes += link.peer.write(megabyte);
    return link.is_closed;
  });
  EXPECT_GT(sent_bytes, limits::kLingerBytesMax);
  EXPECT_EQ(closed("unsupported_data"), 1);
}

TEST_F(WsConnection, ShutdownSaysGoingAway) {  // PROTOCOL 6.7
  Link& link = open();
  link.connection->on_shutdown();
  EXPECT_EQ(receive(link, 4), server_close(1001));
  send(link, close(1001));
  EXPECT_EQ(receive_all(link), "");
  finish(link);
}

TEST_F(WsConnection, TakesBinaryAndMoreWhereItIsToldTo) {
  const std::string large(200'000, '\xff');
  Link& link = open(true, {.takes_binary = true, .message_bytes_max = large.size()});
  send(link, part(2, "\xff", false) + part(0, "", true) + part(2, large, true) + text("a"));
  const std::string expected =
      server_frame(2, "\xff") + server_frame(2, large) + server_frame(1, "a");
  EXPECT_TRUE(receive(link, expected.size()) == expected);
  send(link, part(2, large + "x", true));
  EXPECT_EQ(receive_all(link), server_close(1009));
}

TEST_F(WsConnection, SessionMayCloseFromWithinAMessage) {
  Link& link = open();
  link.text_hook = [&](std::string_view text) {
    link.connection->send_text("bye");
    link.connection->close(CloseCode::kNormal, "enough");
    EXPECT_EQ(text, "a");  // still there
  };
  send(link, text("a") + text("b") + text("c"));
  const std::string expected = server_frame(1, "bye") + server_close(1000, "enough");
  EXPECT_EQ(receive(link, expected.size()), expected);
  EXPECT_EQ(link.texts.size(), 1u);
}

TEST_F(WsConnection, SessionMayAbortFromWithinAMessage) {
  Link& link = open();
  link.text_hook = [&](std::string_view text) {
    link.connection->abort();
    EXPECT_EQ(text, "a");
  };
  send(link, part(1, "", false) + part(0, "a", true) + text("b"));
  run_until([&] { return link.is_closed; });
  EXPECT_EQ(link.texts.size(), 1u);
  EXPECT_EQ(closed("aborted"), 1);
}

TEST_F(WsConnection, VanishedPeerIsNoticedAtEachPoint) {
  const std::string stream = text("one") + part(1, "t", false) + ping("p") + part(0, "wo", true) +
                             text(std::string(300, 'x')) + close(1000);
  int64_t vanished = 0;
  for (const bool resets : {false, true}) {
    for (size_t bytes = 0; bytes <= stream.size(); bytes += bytes < 40 ? 1 : 19) {
      Link& link = open(true);
      send(link, stream.substr(0, bytes));
      run_ticks(3);
      if (resets) {
        link.peer.close_with_reset();
        run_until([&] { return link.is_closed; });
      } else {
        finish(link);
      }
      vanished += bytes < stream.size() ? 1 : 0;
      EXPECT_EQ(closed("vanished"), vanished) << bytes;
    }
  }
}

TEST_F(WsConnection, PeerMayVanishDuringTheCloseHandshake) {
  for (const bool resets : {false, true}) {
    Link& link = open();
    link.connection->close(CloseCode::kNormal);
    receive(link, 4);
    if (resets) {
      link.peer.close_with_reset();
    } else {
      link.peer.fd.close();
    }
    run_until([&] { return link.is_closed; });
  }
}

TEST_F(WsConnection, IsHarmlessAfterItsEnd) {
  Link& link = open();
  link.peer.close_with_reset();
  run_until([&] { return link.is_closed; });
  EXPECT_FALSE(link.connection->is_open());
  EXPECT_EQ(link.connection->pending_bytes(), 0u);
  link.connection->send_text("nobody");
  link.connection->close(CloseCode::kNormal);
  link.connection->abort();
}

}  // namespace
}  // namespace mana_sync::ws
