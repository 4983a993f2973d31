#include "parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "refused_requests.h"

namespace mana_sync::http {
namespace {

// What a parser makes of one request and the bytes behind it.
struct Outcome {
  Parser::Event event = Parser::Event::kNeedsMore;
  Refusal refusal;
  size_t consumed = 0;
  Request request;
  std::string origin;
};

class ParserRun {
 public:
  // Feeds `bytes` in pieces of `piece_bytes` until the request is complete or refused.
  Outcome run(std::string_view bytes, size_t piece_bytes) {
    Outcome outcome;
    parser_.begin();
    while (outcome.consumed < bytes.size() && outcome.event == Parser::Event::kNeedsMore) {
      const auto step = parser_.feed(bytes.substr(outcome.consumed, piece_bytes));
      outcome.consumed += step.consumed;
      if (step.event != Parser::Event::kHeadComplete) {
        outcome.event = step.event;
      } else if (!parser_.has_body()) {
        outcome.event = Parser::Event::kComplete;
      }
    }
    outcome.refusal = parser_.refusal();
    outcome.request = request_;
    outcome.origin = std::string(parser_.origin());
    EXPECT_GE(request_.body.capacity(),
              outcome.event == Parser::Event::kComplete ? request_.body.size() + 64 : 0);
    return outcome;
  }
  Outcome run(std::string_view bytes) { return run(bytes, bytes.size()); }

  Request request_;
  Parser parser_{request_, kTestBodyBytesMax};
};

class RefusedByParser : public testing::TestWithParam<RefusedRequest> {};

TEST_P(RefusedByParser, WholeOrByteByByte) {  // PROTOCOL 9.3
  ParserRun run;
  for (const size_t piece_bytes : {GetParam().bytes.size(), size_t{1}, size_t{7}}) {
    const Outcome outcome = run.run(GetParam().bytes, piece_bytes);
    EXPECT_EQ(outcome.event, Parser::Event::kRefused) << "pieces of " << piece_bytes;
    EXPECT_EQ(outcome.refusal.status, GetParam().status) << "pieces of " << piece_bytes;
    EXPECT_FALSE(outcome.refusal.message.empty());
  }
  // The same parser goes on with the next request.
  EXPECT_EQ(run.run("GET / HTTP/1.0\r\n\r\n").event, Parser::Event::kComplete);
}

INSTANTIATE_TEST_SUITE_P(All, RefusedByParser, testing::ValuesIn(refused_requests()),
                         [](const auto& refused) { return refused.param.name; });

TEST(Parser, ReadsHeadAndSizedBodyInAnyPieces) {
  const std::string bytes =
      "POST /sync/a%20b?since=1&x HTTP/1.1\r\nHost: example.com:3050\r\nX-Empty:\r\n"
      "X-Padded: \t v w \t\r\nContent-Length: 5\r\n\r\nhelloGET";
  for (size_t piece_bytes = 1; piece_bytes <= bytes.size(); ++piece_bytes) {
    ParserRun run;
    const Outcome outcome = run.run(bytes, piece_bytes);
    ASSERT_EQ(outcome.event, Parser::Event::kComplete) << piece_bytes;
    EXPECT_EQ(outcome.consumed, bytes.size() - 3);
    const Request& request = outcome.request;
    EXPECT_EQ(request.method, Method::kPost);
    EXPECT_EQ(request.method_name, "POST");
    EXPECT_EQ(request.path, "/sync/a%20b");
    EXPECT_EQ(request.query, "since=1&x");
    EXPECT_EQ(request.version_minor, 1);
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(request.body, "hello");
    ASSERT_EQ(request.headers.size(), 4u);
    EXPECT_EQ(request.header("host"), "example.com:3050");
    EXPECT_EQ(request.header("x-empty"), "");
    EXPECT_EQ(request.header("X-PADDED"), "v w");
  }
}

TEST(Parser, IgnoresChunkExtensionsAndTrailers) {  // PROTOCOL 9.3
  const std::string bytes =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5;a=b;c=\"d; e\"\r\nhello\r\n1\r\n \r\n006\r\nworld!\r\n0;last\r\nHost: b\r\nX: "
      "y\r\n\r\nGET";
  for (size_t piece_bytes = 1; piece_bytes <= bytes.size(); ++piece_bytes) {
    ParserRun run;
    const Outcome outcome = run.run(bytes, piece_bytes);
    ASSERT_EQ(outcome.event, Parser::Event::kComplete) << piece_bytes;
    EXPECT_EQ(outcome.consumed, bytes.size() - 3);
    EXPECT_EQ(outcome.request.body, "hello world!");
    EXPECT_EQ(outcome.request.headers.size(), 2u);
  }
}

TEST(Parser, TakesManySmallChunks) {
  std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100'000; ++i) bytes += "1\r\nx\r\n";
  ParserRun run;
  const Outcome outcome = run.run(bytes + "0\r\n\r\n");
  EXPECT_EQ(outcome.event, Parser::Event::kComplete);
  EXPECT_EQ(outcome.request.body.size(), 100'000u);
}

TEST(Parser, TakesAHeadOfExactlyTheMaximum) {  // PROTOCOL 9.3
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::string end = "\r\n\r\n";
  std::string value(limits::kHeaderBlockBytesMax - start.size() - end.size(), 'v');
  ParserRun run;
  EXPECT_EQ(run.run(start + value + end).event, Parser::Event::kComplete);
  EXPECT_EQ(run.run(start + value + end, 100).event, Parser::Event::kComplete);
  value += 'v';
  EXPECT_EQ(run.run(start + value + end).refusal.status, 431);
}

TEST(Parser, TakesExactlyTheMaximumOfHeaders) {  // PROTOCOL 9.3
  ParserRun run;
  const Outcome outcome =
      run.run("GET / HTTP/1.1\r\nHost: a\r\n" + many_headers(limits::kHeaderCountMax - 1) + "\r\n");
  EXPECT_EQ(outcome.event, Parser::Event::kComplete);
  EXPECT_EQ(outcome.request.headers.size(), limits::kHeaderCountMax);
}

TEST(Parser, TakesABodyOfExactlyTheMaximum) {  // PROTOCOL 2.12
  const std::string body(kTestBodyBytesMax, 'b');
  ParserRun run;
  EXPECT_EQ(run.run("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n" + body, 16'384)
                .request.body,
            body);
  EXPECT_EQ(run.run("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" +
                        body + "\r\n0\r\n\r\n",
                    16'384)
                .request.body,
            body);
}

TEST(Parser, ReadsAbsoluteTargets) {  // PROTOCOL 9.1
  const auto read = [](const std::string& target) {
    ParserRun run;
    const Outcome outcome = run.run("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(outcome.event, Parser::Event::kComplete) << target;
    return std::string(outcome.request.path) + " " + std::string(outcome.request.query);
  };
  EXPECT_EQ(read("http://a/health?x=1"), "/health x=1");
  EXPECT_EQ(read("HTTPS://a:8080/health"), "/health ");
  EXPECT_EQ(read("http://[::1]:80/x"), "/x ");
  EXPECT_EQ(read("http://a"), "/ ");
  EXPECT_EQ(read("http://a?q"), "/ q");
  EXPECT_EQ(read("/http://a/b?http://c/d?e"), "/http://a/b http://c/d?e");
}

TEST(Parser, NamesOtherMethodsOther) {  // PROTOCOL 9.1
  // Known to llhttp, with a meaning there, and not known; case counts (RFC 9110 9.1).
  for (const std::string method : {"PATCH", "PRI", "SOURCE", "SETUP", "M-SEARCH", "QUERY", "FOO",
                                   "get", "GETS", "G", "!#$%&'*+-.^_`|~09azAZ"}) {
    const std::string bytes = "\r\n" + method +
                              " /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                              "Connection: close\r\n\r\nhello";
    for (size_t piece_bytes = 1; piece_bytes <= bytes.size(); ++piece_bytes) {
      ParserRun run;
      const Outcome outcome = run.run(bytes, piece_bytes);
      ASSERT_EQ(outcome.event, Parser::Event::kComplete) << method << " in " << piece_bytes;
      EXPECT_EQ(outcome.request.method, Method::kOther);
      EXPECT_EQ(run.request_.method_name, method);
      EXPECT_EQ(outcome.request.path, "/x");
      EXPECT_EQ(outcome.request.query, "y");
      EXPECT_EQ(outcome.request.header("host"), "a");
      EXPECT_EQ(outcome.request.body, "hello");
      EXPECT_FALSE(outcome.request.keep_alive);
    }
  }
}

TEST(Parser, TakesTheAsteriskForOptions) {  // RFC 9112 3.2.4
  ParserRun run;
  EXPECT_EQ(run.run("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").request.path, "*");
}

TEST(Parser, KeepsAliveAsVersionAndConnectionSay) {  // PROTOCOL 9.1
  const auto keeps = [](const std::string& bytes) {
    ParserRun run;
    const Outcome outcome = run.run(bytes);
    EXPECT_EQ(outcome.event, Parser::Event::kComplete) << bytes;
    return outcome.request.keep_alive;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(Parser, TreatsUpgradesAsOrdinaryRequests) {
  const std::string upgrade = "Connection: Upgrade\r\nUpgrade: h2c\r\n";
  ParserRun run;
  EXPECT_EQ(run.run("GET / HTTP/1.1\r\nHost: a\r\n" + upgrade + "\r\nGET").event,
            Parser::Event::kComplete);
  const Outcome chunked = run.run("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" +
                                  upgrade + "\r\n5\r\nhello\r\n0\r\n\r\nGET");
  EXPECT_EQ(chunked.event, Parser::Event::kComplete);
  EXPECT_EQ(chunked.request.body, "hello");
}

TEST(Parser, SkipsEmptyLinesBeforeARequest) {  // RFC 9112 2.2
  ParserRun run;
  const Outcome outcome = run.run("\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", 1);
  EXPECT_EQ(outcome.event, Parser::Event::kComplete);
  EXPECT_EQ(outcome.request.path, "/x");
}

TEST(Parser, TakesHostsWithAnyPort) {  // PROTOCOL 9.3, RFC 3986 3.2.3
  for (const char* host : {"a:0", "a:80", "a:65535", "[::1]:65535", "a:"}) {
    ParserRun run;
    EXPECT_EQ(run.run("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").event,
              Parser::Event::kComplete)
        << host;
  }
}

TEST(Parser, KnowsWhoExpectsContinue) {  // PROTOCOL 2.12
  ParserRun run;
  EXPECT_EQ(run.run("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                    "Expect: 100-Continue\r\n\r\nx")
                .event,
            Parser::Event::kComplete);
  EXPECT_TRUE(run.parser_.expects_continue());
  run.run("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx");
  EXPECT_FALSE(run.parser_.expects_continue());
}

TEST(Parser, KnowsTheOriginOfARefusedRequest) {  // PROTOCOL 9.4
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n";
  for (const char* end : {": x\r\n\r\n", "X : y\r\n\r\n", "X: y\n\r\n", " folded\r\n\r\n"}) {
    ParserRun run;
    const Outcome outcome = run.run(start + end);
    EXPECT_EQ(outcome.event, Parser::Event::kRefused);
    EXPECT_EQ(outcome.origin, "https://a.example") << end;
  }
}

TEST(Parser, KeepsNothingOfTheRequestBefore) {
  ParserRun run;
  run.run("POST /a?b HTTP/1.1\r\nHost: a\r\nOrigin: o\r\nContent-Length: 3\r\n\r\nabc");
  const Outcome outcome = run.run("GET /c HTTP/1.1\r\nHost: b\r\n\r\n");
  EXPECT_EQ(outcome.event, Parser::Event::kComplete);
  EXPECT_EQ(outcome.request.query, "");
  EXPECT_EQ(outcome.request.body, "");
  EXPECT_EQ(outcome.origin, "");
  EXPECT_EQ(outcome.request.header("host"), "b");
}

// Whatever a client sends, the pieces in which it arrives decide nothing.
TEST(Parser, MakesTheSameOfMutatedBytesInAnyPieces) {
  constexpr uint32_t kSeed = 20'240'101;
  std::mt19937 random(kSeed);
  const auto below = [&](size_t bound) { return random() % bound; };
  const std::vector<std::string> seeds = {
      "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b"
      "\r\n\r\n",
      "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\nOrigin: b\r\n\r\n"};
  const std::string_view interesting("\r\n \t:;,0\0\x7f\xff/#5fA", 16);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[below(seeds.size())];
    for (size_t changes = 1 + below(3); changes > 0; --changes) {
      const char c = interesting[below(interesting.size())];
      switch (below(3)) {
        case 0:
          bytes[below(bytes.size())] = c;
          break;
        case 1:
          bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(below(bytes.size())), c);
          break;
        default:
          bytes.erase(below(bytes.size()), 1);
      }
    }
    ParserRun whole;
    ParserRun pieces;
    const Outcome expected = whole.run(bytes);
    const Outcome outcome = pieces.run(bytes, 1 + below(5));
    ASSERT_EQ(outcome.event, expected.event) << testing::PrintToString(bytes);
    ASSERT_EQ(outcome.request.body, expected.request.body) << testing::PrintToString(bytes);
    ASSERT_EQ(outcome.request.path, expected.request.path) << testing::PrintToString(bytes);
    if (expected.event == Parser::Event::kRefused) {
      ASSERT_EQ(outcome.refusal.status, expected.refusal.status) << testing::PrintToString(bytes);
    } else {
      ASSERT_EQ(outcome.consumed, expected.consumed) << testing::PrintToString(bytes);
    }
  }
}

TEST(Parser, GrowsWithTheBodyNotWithItsPromise) {
  ParserRun run;
  run.run("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\nx");
  EXPECT_LT(run.request_.body.capacity(), 1024u);
}

}  // namespace
}  // namespace mana_sync::http
