#include "ws_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fake_server.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Events final : WsEvents {
  bool is_open = false;
  std::vector<std::string> texts;
  std::string end;
  void on_open() override { is_open = true; }
  void on_text(std::string_view text) override { texts.emplace_back(text); }
  void on_ended(std::string_view reason) override { end = reason; }
};

class WsClientTest : public LoadgenTest {
 protected:
  WsClientTest() : client_(*network_, events_) {}

  void authenticate(std::string_view token) {
    client_.open("/ws/app");
    run_until([&] { return events_.is_open; });
    client_.send_text(R"({"type":"auth","token":")" + std::string(token) + "\"}");
  }

  Events events_;
  WsClient client_;
};

TEST_F(WsClientTest, SpeaksWithAServer) {
  authenticate("t");
  run_until([&] { return !events_.texts.empty(); });
  EXPECT_THAT(events_.texts, ElementsAre(R"({"type":"auth-ok"})"));
}

TEST_F(WsClientTest, TheServersCloseIsTold) {
  authenticate(FakeServer::kBadToken);
  run_until([&] { return !events_.end.empty(); });
  EXPECT_EQ(events_.end, "closed with 1008 invalid token");
}

TEST_F(WsClientTest, ARefusedHandshakeIsTold_AndCanBeTriedAgain) {
  fake_->refused_handshakes = 1;
  client_.open("/ws/app");
  run_until([&] { return !events_.end.empty(); });
  EXPECT_THAT(events_.end, HasSubstr("503"));
  EXPECT_FALSE(events_.is_open);
  authenticate("t");
  run_until([&] { return !events_.texts.empty(); });
}

TEST_F(WsClientTest, Cut_ClosesWithoutAWord_AndCanBeOpenedAgain) {
  authenticate("t");
  run_until([&] { return !events_.texts.empty(); });
  client_.cut();
  client_.open("/ws/app");
  run_until([&] { return server_->connection_count() == 1; });
  EXPECT_EQ(events_.end, "");
}

TEST_F(WsClientTest, MessagesOfAnyLengthArriveWhole) {
  for (const size_t bytes : {10u, 125u, 126u, 5'000u, 60'000u}) {
    events_.texts.clear();
    authenticate(std::string(bytes, 'x'));
    run_until([&] { return !events_.texts.empty(); });
    client_.cut();
    events_.is_open = false;
  }
}

TEST(WsClientFrame, IsMaskedAndHasTheShortestLength) {
  // RFC 6455 §5.7: a single-frame masked text message.
  EXPECT_EQ(WsClient::frame(ws::Opcode::kText, "Hello", 0x3d21fa37),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(WsClient::frame(ws::Opcode::kText, std::string(125, 'x'), 1).size(), 2 + 4 + 125u);
  EXPECT_EQ(WsClient::frame(ws::Opcode::kText, std::string(126, 'x'), 1).size(), 4 + 4 + 126u);
  EXPECT_EQ(WsClient::frame(ws::Opcode::kText, std::string(65'536, 'x'), 1).size(),
            10 + 4 + 65'536u);
}

}  // namespace
}  // namespace mana_sync::loadgen
