// Answers whose body is made while it is sent (RFC 9112 §6, §7.1).
#include "mana_sync/http/streamed_response.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "http_fixture.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::http {
namespace {

const std::string kBodyHeaders = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
const std::string kHeadOf11 =
    "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: "
    "text/event-stream\r\n" +
    kBodyHeaders + "Transfer-Encoding: chunked\r\n";
const std::string kLastChunk = "0\r\n\r\n";

Response event_stream() {
  Response response;
  response.content_type = "text/event-stream";
  return response;
}

std::string chunk(const std::string& bytes) {
  std::string text(16, '\0');
  text.resize(static_cast<size_t>(std::snprintf(text.data(), text.size(), "%zx", bytes.size())));
  return text + "\r\n" + bytes + "\r\n";
}

// Writes down what a stream tells its writer.
struct Writer final : StreamEvents {
  StreamedResponse stream;
  int sent_calls = 0;
  int gone_calls = 0;
  std::function<void(size_t)> sent_hook;

  void on_sent(size_t pending_bytes) override {
    EXPECT_EQ(gone_calls, 0);
    ++sent_calls;
    if (sent_hook) sent_hook(pending_bytes);
  }
  void on_gone() override {
    ++gone_calls;
    EXPECT_FALSE(stream.is_open());
    EXPECT_FALSE(stream.send("late"));
  }
};

class HttpStream : public HttpTest {
 protected:
  HttpStream() { start(default_options()); }
  ~HttpStream() override { stop(); }

  void open(Client& client, Writer& writer, const std::string& request = kGetLater) {
    writer.stream = ask(client, request).stream(event_stream(), writer);
  }
  // Runs until the client has received exactly `text`, and takes it.
  void expect_received(Client& client, const std::string& text) {
    run_until([&] { return client.received().size() >= text.size() || client.saw_end(); });
    run_ticks(3);
    EXPECT_EQ(client.received(), text);
    client.take(client.received().size());
  }

  std::deque<Writer> writers_;  // told of until the server has stopped
};

TEST_F(HttpStream, SendsItsHeadAtOnceAndEachPieceAsAChunk) {  // RFC 9112 §7.1
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  const Responder responder = ask(client, kGetLater);
  writer.stream = responder.stream(event_stream(), writer);
  EXPECT_FALSE(responder.waiting());
  EXPECT_FALSE(responder.respond(text_response("second")));
  EXPECT_TRUE(writer.stream.is_open());
  expect_received(client, kHeadOf11 + "\r\n");
  EXPECT_TRUE(writer.stream.send("hello"));
  EXPECT_TRUE(writer.stream.send("")) << "an empty chunk would be the last";
  EXPECT_TRUE(writer.stream.send(std::string(300, 'x')));
  expect_received(client, chunk("hello") + chunk(std::string(300, 'x')));
  writer.stream.end();
  EXPECT_FALSE(writer.stream.is_open());
  EXPECT_FALSE(writer.stream.send("late"));
  writer.stream.end();
  expect_received(client, kLastChunk);
  EXPECT_EQ(exchange(client, kGet).status, 200) << "the connection is kept";
  EXPECT_EQ(writer.gone_calls, 0);
  ASSERT_EQ(handler_.answers.size(), 2u);
  EXPECT_EQ(handler_.answers[0].path, "/later");
}

TEST_F(HttpStream, BeginsWithTheResponsesBody) {
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  Response response = event_stream();
  response.body = "first";
  writer.stream = ask(client, kGetLater).stream(std::move(response), writer);
  writer.stream.send("second");
  writer.stream.end();
  expect_received(client, kHeadOf11 + "\r\n" + chunk("first") + chunk("second") + kLastChunk);
}

TEST_F(HttpStream, ToHttp10EndsWithTheConnection) {  // RFC 9112 §6.3
  for (const char* header : {"", "Connection: keep-alive\r\n"}) {
    Client& client = connect();
    Writer& writer = writers_.emplace_back();
    open(client, writer, "GET /later HTTP/1.0\r\n" + std::string(header) + "\r\n");
    writer.stream.send("hello");
    writer.stream.send("world");
    writer.stream.end();
    wait_for_end(client);
    EXPECT_EQ(client.error(), 0);
    const Answer answer = next_answer(client);
    EXPECT_EQ(answer.headers.count("Transfer-Encoding"), 0u);
    EXPECT_EQ(answer.headers.at("Connection"), "close");
    EXPECT_EQ(client.received(), "helloworld");
  }
}

TEST_F(HttpStream, ClosesBehindItsEndWhereTheClientAskedForThat) {
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  writer.stream.send("x");
  writer.stream.end();
  wait_for_end(client);
  EXPECT_EQ(client.received(), kHeadOf11 + "Connection: close\r\n\r\n" + chunk("x") + kLastChunk);
}

TEST_F(HttpStream, ToHeadIsItsHead) {  // PROTOCOL 9.1
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer, "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(writer.stream.is_open());
  EXPECT_FALSE(writer.stream.send("x"));
  writer.stream.end();
  expect_received(client, kHeadOf11 + "\r\n");
  EXPECT_EQ(exchange(client, kGet).status, 200);
}

TEST_F(HttpStream, MayBeginAndEndWhileItsRequestIsHandled) {
  Writer& writer = writers_.emplace_back();
  handler_.hook = [&](Request&, Responder responder) {
    writer.stream = responder.stream(event_stream(), writer);
    writer.stream.send("all");
    writer.stream.end();
  };
  Client& client = connect();
  const std::string request = "GET /hook HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(request + request);
  const std::string answer = kHeadOf11 + "\r\n" + chunk("all") + kLastChunk;
  expect_received(client, answer + answer);
}

TEST_F(HttpStream, HoldsBackThePipelinedRequestBehindIt) {  // PROTOCOL 9.1
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer, kGetLater + kGet);
  run_ticks();
  EXPECT_EQ(handler_.requests.size(), 1u);
  writer.stream.end();
  expect_received(client, kHeadOf11 + "\r\n" + kLastChunk +
                              "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                              "Content-Type: text/plain\r\n" +
                              kBodyHeaders + "Content-Length: 0\r\nX-Query: \r\n\r\n");
}

TEST_F(HttpStream, SendsSharedPiecesUncopiedAndLetsGoOfThem) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  Writer& writer = writers_.emplace_back();
  open(client, writer);
  const auto owner = std::make_shared<const std::string>(512 * 1024, 's');
  std::string expected = kHeadOf11 + "\r\n";
  for (int i = 0; i < 8; ++i) {
    GatheredText piece("data: ");
    piece.append({owner, *owner});
    piece.own() += "\n\n";
    expected += chunk(piece.str());
    writer.stream.send(std::move(piece));
  }
  run_ticks();
  EXPECT_GT(owner.use_count(), 1);
  client.set_reading(true);
  run_until([&] { return client.received().size() >= expected.size(); });
  EXPECT_TRUE(client.received() == expected);
  run_until([&] { return owner.use_count() == 1; });
}

TEST_F(HttpStream, TellsItsWriterWhatASlowReaderHasTaken) {
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  Writer& writer = writers_.emplace_back();
  open(client, writer);
  const std::string piece(256 * 1024, 'x');
  size_t pieces = 0;
  const auto send_more = [&](size_t pending_bytes) {
    EXPECT_EQ(pending_bytes, writer.stream.pending_bytes());
    if (pending_bytes > limits::kMiB) return;
    writer.stream.send(piece);
    if (++pieces == 40) writer.stream.end();
  };
  writer.sent_hook = send_more;
  send_more(writer.stream.pending_bytes());
  run_ticks(100);
  EXPECT_LT(pieces, 30u) << "the writer was told of progress that was none";
  client.set_reading(true);
  std::string expected = kHeadOf11 + "\r\n";
  for (int i = 0; i < 40; ++i) expected += chunk(piece);
  expected += kLastChunk;
  run_until([&] { return client.received().size() >= expected.size(); });
  EXPECT_TRUE(client.received() == expected);
}

TEST_F(HttpStream, ReaderThatTakesNothingIsAbortedHoweverMuchIsSent) {  // PROTOCOL 6.2, 7.2
  Client& client = connect(16 * 1024);
  client.set_reading(false);
  Writer& writer = writers_.emplace_back();
  open(client, writer);
  writer.stream.send(std::string(16 * 1024 * 1024, 'x'));
  run_ticks(100);
  const int64_t step_ms = limits::kSendStallTimeoutMs / 3;
  for (int i = 0; i < 2; ++i) {
    let_pass_ms(step_ms);
    EXPECT_TRUE(writer.stream.send("heartbeat"));
  }
  let_pass_ms(step_ms + 1);
  run_until([&] { return server_->drained(); });
  EXPECT_EQ(writer.gone_calls, 1);
}

TEST_F(HttpStream, MayBeSilentForLong) {
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer);
  expect_received(client, kHeadOf11 + "\r\n");
  let_pass_ms(3'600'000);
  writer.stream.send("late");
  expect_received(client, chunk("late"));
  let_pass_ms(3'600'000);
  writer.stream.end();
  expect_received(client, kLastChunk);
  let_pass_ms(limits::kIdleTimeoutMs - 1);
  EXPECT_EQ(exchange(client, kGet).status, 200);
}

TEST_F(HttpStream, WriterHearsThatItsClientWentAway) {
  for (const bool politely : {false, true}) {
    Client& client = connect();
    Writer& writer = writers_.emplace_back();
    open(client, writer);
    if (politely) {
      client.finish_sending();
    } else {
      client.close_with_reset();
    }
    run_until([&] { return writer.gone_calls == 1; });
    writer.stream.end();
    clients_.clear();
    run_until([&] { return server_->drained(); });
    EXPECT_EQ(writer.gone_calls, 1);
  }
}

TEST_F(HttpStream, WriterOfAnAnswerThatNobodyTakesAnyMoreIsNeverCalled) {
  Client& client = connect();
  auto writer = std::make_unique<Writer>();
  const Responder responder = ask(client, kGetLater);
  client.finish_sending();  // while it waits for its answer
  run_ticks();
  EXPECT_FALSE(responder.stream(event_stream(), *writer).is_open());
  writer.reset();
  run_until([&] { return server_->drained(); });
}

TEST_F(HttpStream, ClientThatFinishesTakesNoMore_WhateverItSentBehindItsRequest) {
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer, kGetLater + "G");
  client.finish_sending();
  run_until([&] { return writer.gone_calls == 1; });
}

TEST_F(HttpStream, WhoSendsTooMuchBehindItIsCutOff) {
  const std::string much(limits::kPipelinedInputBytesMax, 'x');
  Client& later = connect();
  Writer& told = writers_.emplace_back();
  open(later, told);
  later.send(much);
  run_until([&] { return told.gone_calls == 1; });
  // Even where it came before the answer began.
  Client& before = connect();
  const Responder responder = ask(before, kGetLater + much);
  run_until([&] { return before.unsent_bytes() == 0; });
  run_ticks();
  Writer& untold = writers_.emplace_back();
  EXPECT_FALSE(responder.stream(event_stream(), untold).is_open());
  run_until([&] { return server_->drained(); });
  EXPECT_EQ(untold.gone_calls, 0);
  EXPECT_TRUE(has_metric("mana_sync_http_cut_total{bound=\"linger\"} 2"));
}

TEST_F(HttpStream, WriterThatIsDoneHearsNothingMore) {
  Client& client = connect();
  auto writer = std::make_unique<Writer>();
  open(client, *writer);
  const StreamedResponse stream = writer->stream;
  stream.send("x");
  stream.end();
  writer.reset();
  client.close_with_reset();
  run_until([&] { return server_->drained(); });
  EXPECT_FALSE(stream.is_open());
  EXPECT_EQ(stream.pending_bytes(), 0u);
  stream.end();
}

TEST_F(HttpStream, OldHandleDoesNotReachTheNextAnswer) {
  Client& client = connect();
  Writer& first = writers_.emplace_back();
  open(client, first);
  first.stream.end();
  Writer& second = writers_.emplace_back();
  open(client, second);
  EXPECT_FALSE(first.stream.is_open());
  EXPECT_FALSE(first.stream.send("stale"));
  first.stream.end();
  EXPECT_TRUE(second.stream.send("fresh"));
  second.stream.end();
  expect_received(
      client, kHeadOf11 + "\r\n" + kLastChunk + kHeadOf11 + "\r\n" + chunk("fresh") + kLastChunk);
  EXPECT_FALSE(StreamedResponse().is_open());
}

TEST_F(HttpStream, ShutdownEndsIt) {
  Client& client = connect();
  Writer& writer = writers_.emplace_back();
  open(client, writer);
  writer.stream.send("x");
  Client& waiting = connect();
  const Responder late = ask(waiting, kGetLater);
  server_->begin_shutdown();
  EXPECT_FALSE(writer.stream.is_open());
  EXPECT_EQ(writer.gone_calls, 0) << "called from within begin_shutdown()";
  wait_for_end(client);
  EXPECT_EQ(client.received(), kHeadOf11 + "\r\n" + chunk("x") + kLastChunk);

  Writer& late_writer = writers_.emplace_back();
  late_writer.stream = late.stream(event_stream(), late_writer);
  EXPECT_FALSE(late_writer.stream.is_open());
  wait_for_end(waiting);
  EXPECT_EQ(waiting.received(), kHeadOf11 + "Connection: close\r\n\r\n" + kLastChunk);
  clients_.clear();
  run_until([&] { return server_->drained(); });
  EXPECT_EQ(writer.gone_calls, 1);
  EXPECT_EQ(late_writer.gone_calls, 0);
}

TEST_F(HttpStream, KeepsNothingOfItsRequestInMemory) {
  if (!allocated_bytes()) GTEST_SKIP() << "the allocator does not tell";
  constexpr size_t kStreams = 100;
  constexpr size_t kHeadBytes = 3 * limits::kKiB;  // small enough to be kept otherwise
  for (size_t i = 0; i < kStreams; ++i) {
    ask(connect(),
        "GET /later HTTP/1.1\r\nHost: a\r\nX: " + std::string(kHeadBytes, 'x') + "\r\n\r\n");
  }
  const size_t before = *allocated_bytes();
  for (size_t i = 0; i < kStreams; ++i) {
    Writer& writer = writers_.emplace_back();
    writer.stream = handler_.waiting[i].stream(event_stream(), writer);
  }
  run_until([&] { return writers_.back().sent_calls > 0; });
  // The clients have received something meanwhile.
  EXPECT_GT(before - *allocated_bytes(), kStreams * kHeadBytes / 2);
}

}  // namespace
}  // namespace mana_sync::http
