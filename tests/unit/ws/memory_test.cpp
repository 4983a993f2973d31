// What connections hold while nothing happens, and while messages are incomplete.
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>

#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

constexpr size_t kUnfinishedBytesMax = 100'000;

size_t allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

class WsMemory : public WsTest {
 protected:
  WsMemory() : WsTest(kUnfinishedBytesMax) {}
};

TEST_F(WsMemory, IdleConnectionCostsLessThanTwoKibibytes) {
  const auto open_some = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Link& link = open(true);
      send(link, part(1, std::string(500, 'x'), false));
      run_ticks(1);
      send(link, part(0, "y", true));
      EXPECT_EQ(receive(link, 505).size(), 505u);
      link.texts = {};
      link.peer.received = {};
    }
  };
  open_some(100);  // what grows once, has grown
  const size_t before = allocated_bytes();
  if (before == 0) GTEST_SKIP() << "a sanitizer's allocator does not tell";
  constexpr int kCount = 400;
  open_some(kCount);
  const size_t bytes_each = (allocated_bytes() - before) / kCount;
  RecordProperty("bytes_each", std::to_string(bytes_each));
  EXPECT_LT(bytes_each, 2'048u + sizeof(Link));
}

TEST_F(WsMemory, IncompleteMessagesAreBoundedTogether) {
  const std::string begun = part(1, std::string(40'000, 'x'), false);
  Link& first = open();
  send(first, begun);
  run_ticks();
  Link& second = open();
  send(second, begun);
  EXPECT_EQ(receive_all(second), server_close(1013));
  EXPECT_EQ(closed("overload"), 1);

  // What ends makes room, by its end or by that of its connection.
  send(first, part(0, "", true));
  run_until([&] { return first.texts.size() == 1; });
  for (int i = 0; i < 3; ++i) {
    Link& next = open();
    send(next, begun);
    run_ticks();
    EXPECT_TRUE(next.connection->is_open());
    next.peer.close_with_reset();
    run_until([&] { return next.is_closed; });
  }
}

TEST_F(WsMemory, HeldFrameHeadsCountToo) {
  // Not a byte of payload, but a frame's buffer each.
  for (int i = 0; i < 30; ++i) {
    send(open(), "\x81");
    run_ticks(2);
  }
  EXPECT_GT(closed("overload"), 0);
}

}  // namespace
}  // namespace mana_sync::ws
