// Streams of frames, right and wrong, cut anywhere: the server's answer to each must be, byte for
// byte, what a plain reading of RFC 6455 and PROTOCOL 6.5 says. Prints its seed when it fails.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plain_reading.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

constexpr int kStreams = 10'000;
constexpr int kAtOnce = 100;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }
  bool chance(size_t one_in) { return below(one_in) == 0; }

  std::string stream() {
    if (chance(20)) return garbage(below(200));
    std::string stream;
    for (size_t messages = below(6); messages > 0; --messages) stream += message();
    if (chance(2)) stream += close_frame();
    if (chance(2)) damage(stream);
    return stream;
  }

 private:
  std::string garbage(size_t bytes) {
    std::string text;
    for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(below(256));
    return text;
  }

  std::string utf8(size_t bytes) {
    static const std::vector<std::string> kCharacters = {"a", "\xc3\xa4", "\xe2\x82\xac",
                                                         "\xed\x9f\xbf", "\xf0\x9f\x98\x80"};
    std::string text(bytes > 200 ? bytes - 100 : 0, 'x');
    while (text.size() < bytes) text += kCharacters[below(kCharacters.size())];
    return text;
  }

  size_t length() {
    static const std::vector<size_t> kEdges = {0, 1, 124, 125, 126, 127, 4'090, 4'096, 65'534};
    return chance(4) ? kEdges[below(kEdges.size())] + below(4) : below(60);
  }

  std::string frame(ClientFrame frame) {
    frame.mask = garbage(4);
    return frame.bytes();
  }

  std::string control() {
    return frame({.opcode = chance(2) ? 9 : 10, .payload = garbage(chance(5) ? 125 : below(8))});
  }

  std::string message() {
    if (chance(5)) return control();
    if (chance(20)) return frame({.opcode = 2, .payload = garbage(below(9))});
    const std::string text = chance(15) ? garbage(length()) : utf8(length());
    std::string out;
    size_t at = 0;
    for (int opcode = 1; chance(2); opcode = 0) {
      const size_t bytes = below(text.size() - at + 1);
      out += frame({.opcode = opcode, .payload = text.substr(at, bytes), .is_final = false});
      at += bytes;
      if (chance(3)) out += control();
    }
    return out + frame({.opcode = out.empty() ? 1 : 0, .payload = text.substr(at)});
  }

  std::string close_frame() {
    const int code = chance(3) ? static_cast<int>(below(6'000)) : 1000;
    const std::string reason = chance(4) ? garbage(below(6)) : utf8(below(100));
    return chance(5) ? raw_close(garbage(below(4))) : close(code, reason);
  }

  void damage(std::string& stream) {
    if (stream.empty()) return;
    const size_t at = chance(2) ? below(stream.size()) : below(std::min<size_t>(stream.size(), 14));
    switch (below(4)) {
      case 0:
        stream[at] ^= static_cast<char>(1 << below(8));
        return;
      case 1:
        stream.resize(at);
        return;
      case 2:
        stream.insert(at, garbage(1 + below(4)));
        return;
      default:
        stream.erase(at, 1 + below(4));
    }
  }

  std::mt19937_64 random_;
};

struct Sending {
  Link* link;
  std::string stream;
  size_t sent_bytes = 0;
};

class RandomStreams : public WsTest {
 protected:
  // Ten thousand TCP connections would leave most of the machine's ports in TIME_WAIT.
  RandomStreams() { family_ = AF_UNIX; }

  // Sends all streams, each in pieces of its own, a piece a tick; then ends the clients' sides.
  void send_all(std::vector<Sending>& sendings, Generator& generator) {
    run_until([&] {
      bool is_done = true;
      for (Sending& sending : sendings) {
        std::string_view rest = std::string_view(sending.stream).substr(sending.sent_bytes);
        if (rest.empty()) continue;
        const size_t piece_bytes = generator.chance(2) ? 1 + generator.below(9) : rest.size();
        sending.sent_bytes += sending.link->peer.write(rest.substr(0, piece_bytes));
        is_done = is_done && sending.sent_bytes == sending.stream.size();
      }
      return is_done;
    });
    for (Sending& sending : sendings) ::shutdown(sending.link->peer.fd.get(), SHUT_WR);
    run_until([&] {
      return std::all_of(sendings.begin(), sendings.end(), [](const Sending& sending) {
        return sending.link->is_closed &&
               (sending.link->peer.is_finished || sending.link->peer.error != 0);
      });
    });
  }
};

TEST_F(RandomStreams, AreAnsweredAsThePlainReadingSays) {  // PROTOCOL 6.5
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);
  for (int done = 0; done < kStreams && !HasFailure(); done += kAtOnce) {
    std::vector<Sending> sendings;
    for (int i = 0; i < kAtOnce; ++i) sendings.push_back({&open(true), generator.stream()});
    send_all(sendings, generator);
    for (size_t i = 0; i < sendings.size(); ++i) {
      const std::string expected = plain_answer(sendings[i].stream);
      ASSERT_EQ(sendings[i].link->peer.error, 0);
      const std::string& received = sendings[i].link->peer.received;
      const auto same = static_cast<size_t>(
          std::mismatch(received.begin(), received.end(), expected.begin(), expected.end()).first -
          received.begin());
      ASSERT_TRUE(received == expected)
          << "after " << same << " bytes, received "
          << testing::PrintToString(received.substr(same, 100)) << " and not "
          << testing::PrintToString(expected.substr(same, 100)) << " to the stream "
          << testing::PrintToString(sendings[i].stream.substr(0, 300));
    }
    abort_all();
  }
  EXPECT_GT(closed("protocol_error") + closed("invalid_text"), kStreams / 20);
  EXPECT_GT(closed("client"), kStreams / 10);
  EXPECT_GT(closed("too_big"), 0);
  EXPECT_GT(closed("unsupported_data"), 0);
}

}  // namespace
}  // namespace mana_sync::ws
