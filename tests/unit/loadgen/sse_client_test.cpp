#include "sse_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fake_server.h"

namespace mana_sync::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Each event as `id|event|data`.
std::vector<std::string> read(SseReader& reader, std::string_view piece) {
  std::vector<std::string> events;
  const SseEvent* event = nullptr;
  for (; reader.next(piece, event); piece = {}) {
    events.push_back(event->id + "|" + event->event + "|" + event->data);
  }
  return events;
}

TEST(SseReader, ReadsEvents_OneAfterTheOther) {
  SseReader reader;
  EXPECT_THAT(read(reader,
                   "id: 7\nevent: changes\ndata: {\"a\":1}\n\n"
                   "event: heartbeat\ndata: {}\n\n"),
              ElementsAre("7|changes|{\"a\":1}", "7|heartbeat|{}"));
}

TEST(SseReader, AnEventMayComeByteByByte) {
  SseReader reader;
  std::vector<std::string> events;
  for (const char c : std::string("id: 1\r\ndata: a\r\ndata: b\r\n\r\n")) {
    for (std::string& event : read(reader, {&c, 1})) events.push_back(std::move(event));
  }
  EXPECT_THAT(events, ElementsAre("1||a\nb"));
  EXPECT_EQ(reader.pending_bytes(), 0u);
}

TEST(SseReader, CommentsAndEventsWithoutDataAreNone) {
  SseReader reader;
  EXPECT_THAT(read(reader, ": ping\n\nevent: changes\n\n"), IsEmpty());
  EXPECT_THAT(read(reader, "data\ndata:x\n\n"), ElementsAre("||\nx"));
}

struct Events final : SseEvents {
  bool is_open = false;
  std::vector<std::string> data;
  std::string end;
  void on_open() override { is_open = true; }
  void on_event(const SseEvent& event) override { data.push_back(event.data); }
  void on_ended(std::string_view reason) override { end = reason; }
};

class SseClientTest : public LoadgenTest {
 protected:
  SseClientTest() : client_(*network_, events_) {}

  Events events_;
  SseClient client_;
};

TEST_F(SseClientTest, FollowsAStream) {
  fake_->events = "data: 1\n\ndata: 2\n\n";
  client_.open("/events", "");
  run_until([&] { return events_.data.size() == 2; });
  EXPECT_TRUE(events_.is_open);
  EXPECT_THAT(events_.data, ElementsAre("1", "2"));
}

TEST_F(SseClientTest, AnotherStatusIsTold) {
  client_.open("/nothing", "");
  run_until([&] { return !events_.end.empty(); });
  EXPECT_EQ(events_.end, "status 404");
  EXPECT_FALSE(events_.is_open);
}

TEST_F(SseClientTest, AnEndlessEventEndsTheConnection) {
  fake_->events = "data: " + std::string(SseClient::kEventBytesMax, 'x');
  client_.open("/events", "");
  run_until([&] { return !events_.end.empty(); });
  EXPECT_EQ(events_.end, "an event is endless");
}

}  // namespace
}  // namespace mana_sync::loadgen
