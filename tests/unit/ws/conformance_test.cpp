// What RFC 6455 asks of a server, case by case: exact bytes in, exact bytes out, and then the end
// of the connection where there is to be one. Each case runs whole, in pieces, and byte by byte.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "ws_fixture.h"

namespace mana_sync::ws {
namespace {

const std::string kGreek = "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5";
const std::string kHello = "Hello";

struct Case {
  std::string name;
  std::string sent;
  std::string received;
  bool ends = false;  // the server ends the connection
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

Case echo(std::string name, const std::string& payload) {
  return {std::move(name), text(payload), server_frame(1, payload)};
}

// A case that the server ends with that code, after what it sends before.
Case fails(std::string name, std::string sent, int code, const std::string& before = "") {
  return {std::move(name), std::move(sent), before + server_close(code), true};
}

std::vector<Case> message_cases() {
  std::vector<Case> cases;
  for (const size_t bytes : {0, 1, 125, 126, 127, 128, 65535, 65536}) {
    cases.push_back(echo("TextOf" + std::to_string(bytes), std::string(bytes, '*')));
  }
  const std::string hel = part(1, "Hel", false);
  const std::string lo = part(0, "lo", true);
  const std::string hello = server_frame(1, kHello);
  cases.push_back(
      {"ZeroMask", ClientFrame{.payload = kHello, .mask = std::string(4, '\0')}.bytes(), hello});
  cases.push_back({"TwoFragments", hel + lo, hello});
  cases.push_back({"FragmentsOfNothing",
                   part(1, "", false) + part(0, "", false) + part(0, "", true),
                   server_frame(1, "")});
  cases.push_back({"EmptyFragmentInBetween", hel + part(0, "", false) + lo, hello});
  cases.push_back({"PingBetweenFragments", hel + ping("p") + lo, server_frame(10, "p") + hello});
  cases.push_back({"PongBetweenFragments", hel + part(10, "unasked", true) + lo, hello});
  cases.push_back({"ManyMessages", text("a") + text("") + hel + lo + text("b"),
                   server_frame(1, "a") + server_frame(1, "") + hello + server_frame(1, "b")});
  cases.push_back({"EmptyPing", ping(""), server_frame(10, "")});
  cases.push_back(
      {"PingOf125", ping(std::string(125, '\xfe')), server_frame(10, std::string(125, '\xfe'))});
  cases.push_back({"TenPings", ping("1") + ping("2") + ping("3"),
                   server_frame(10, "1") + server_frame(10, "2") + server_frame(10, "3")});
  std::string long_sent = part(1, "", false);
  for (int i = 0; i < 65'536 / 512; ++i) long_sent += part(0, std::string(512, '*'), false);
  cases.push_back({"ManyFragmentsUpToTheLimit", long_sent + part(0, "", true),
                   server_frame(1, std::string(65'536, '*'))});
  return cases;
}

std::vector<Case> text_cases() {
  const std::string bad = kGreek + "\xed\xa0\x80" + "edited";
  std::vector<Case> cases = {
      echo("Greek", kGreek),
      echo("LastCodePoint", "\xf4\x8f\xbf\xbf"),
      echo("NonCharacters", "\xef\xbf\xbe\xef\xbf\xbf"),
      echo("Null", std::string(1, '\0')),
      {"CharacterAcrossFragments", part(1, "\xf0\x9f", false) + part(0, "\x98\x80", true),
       server_frame(1, "\xf0\x9f\x98\x80")},
      fails("Surrogate", text(bad), 1007),
      fails("BeyondUnicode", text("\xf4\x90\x80\x80"), 1007),
      fails("Overlong", text("\xc0\xaf"), 1007),
      fails("LoneContinuation", text("a\x80"), 1007),
      fails("CutCharacter", text("\xe2\x82"), 1007),
      fails("CutCharacterInTheLastFragment", part(1, "a", false) + part(0, "\xe2\x82", true), 1007),
      // The rest never comes: what is wrong is told at once (fail-fast).
      fails("WrongInTheFirstFragment", part(1, "\xf4\x90", false), 1007),
      fails("WrongInTheMiddleOfAFrame", text(bad + std::string(200, 'x')).substr(0, 40), 1007),
      fails("WrongInALaterFragment", part(1, kGreek, false) + part(0, "\xed\xa0", false), 1007),
      fails("AfterAGoodMessage", text(kHello) + text("\xff"), 1007, server_frame(1, kHello)),
  };
  return cases;
}

std::vector<Case> frame_cases() {
  const std::string hel = part(1, "Hel", false);
  std::vector<Case> cases;
  for (int bits = 1; bits < 8; ++bits) {
    const std::string name = "ReservedBits" + std::to_string(bits);
    const ClientFrame data{.payload = kHello, .reserved_bits = bits};
    cases.push_back(fails(name, text("a") + data.bytes(), 1002, server_frame(1, "a")));
    cases.push_back(
        fails(name + "InPing", ClientFrame{.opcode = 9, .reserved_bits = bits}.bytes(), 1002));
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    const std::string name = "Opcode" + std::to_string(opcode);
    cases.push_back(fails(name, part(opcode, "", true), 1002));
    cases.push_back(fails(name + "BetweenFragments", hel + part(opcode, "x", true), 1002));
  }
  const std::string long_control(126, 'x');
  for (const int opcode : {8, 9, 10}) {
    const std::string name = "Control" + std::to_string(opcode);
    cases.push_back(fails(name + "TooLong", part(opcode, long_control, true), 1002));
    cases.push_back(fails(name + "InFragments", part(opcode, "", false), 1002));
    const ClientFrame unmasked{.opcode = opcode, .is_masked = false};
    cases.push_back(fails(name + "Unmasked", unmasked.bytes(), 1002));
  }
  const ClientFrame unmasked{.payload = kHello, .is_masked = false};
  cases.push_back(fails("TextUnmasked", unmasked.bytes(), 1002));
  cases.push_back(fails("ContinuationOfNothing", part(0, "x", true), 1002));
  cases.push_back(fails("ContinuationAfterTheLast", hel + part(0, "lo", true) + part(0, "x", true),
                        1002, server_frame(1, kHello)));
  cases.push_back(fails("TextWithinAMessage", hel + text("lo"), 1002));
  cases.push_back(fails("BinaryWithinAMessage", hel + part(2, "lo", true), 1002));
  const auto with_length = [](size_t payload_bytes, int length_bytes) {
    const ClientFrame frame{.payload = std::string(payload_bytes, 'x'),
                            .length_bytes = length_bytes};
    return frame.bytes();
  };
  cases.push_back(fails("LengthOf125InTwoBytes", with_length(125, 2), 1002));
  cases.push_back(fails("LengthOf65535InEightBytes", with_length(65'535, 8), 1002));
  const ClientFrame negative{.length_bytes = 8, .announced = uint64_t{1} << 63};
  cases.push_back(fails("LengthOfMoreThan63Bits", negative.bytes(), 1002));
  return cases;
}

std::vector<Case> limit_cases() {
  const auto announce = [](uint64_t bytes, int opcode = 1) {
    return ClientFrame{.opcode = opcode, .announced = bytes}.bytes();
  };
  const ClientFrame unmasked{.is_masked = false, .announced = 5};
  const ClientFrame reserved{.reserved_bits = 1, .announced = 5};
  return {
      fails("Binary", part(2, "x", true), 1003),
      fails("EmptyBinary", part(2, "", true), 1003),
      fails("BinaryAfterText", text("a") + part(2, "x", true), 1003, server_frame(1, "a")),
      // Not a byte of these payloads is sent.
      fails("HeadOfBinary", ClientFrame{.opcode = 2, .announced = 5}.bytes(), 1003),
      fails("HeadOfTooMuch", announce(65'537), 1009),
      fails("HeadOfTooMuchWithoutItsMask", announce(65'537).substr(0, 10), 1009),
      fails("HeadOfAnExabyte", announce(uint64_t{1} << 60), 1009),
      fails("HeadOfAFragmentTooMuch", part(1, "Hel", false) + announce(65'534, 0), 1009),
      fails("HeadUnmasked", unmasked.bytes(), 1002),
      fails("HeadWithReservedBits", reserved.bytes(), 1002),
      fails("HeadOfContinuation", ClientFrame{.opcode = 0, .announced = 5}.bytes(), 1002),
      fails("OneByteTooMuch", text(std::string(65'537, 'x')), 1009),
      fails("OneFragmentTooMuch",
            part(1, std::string(65'000, 'x'), false) + part(0, std::string(537, 'x'), true), 1009),
  };
}

std::vector<Case> close_cases() {
  const auto ends = [](std::string name, std::string sent, std::string received) {
    return Case{std::move(name), std::move(sent), std::move(received), true};
  };
  std::vector<Case> cases = {
      ends("CloseWithoutCode", raw_close(""), server_frame(8, "")),
      fails("CloseOfOneByte", raw_close("\x03"), 1002),
      ends("CloseWithReason", close(1000, std::string(123, 'x')), server_close(1000)),
      ends("CloseWithGreekReason", close(1001, kGreek), server_close(1001)),
      fails("CloseWithBadReason", close(1000, kGreek + "\xed\xa0\x80"), 1007),
      fails("CloseWithCutReason", close(1000, "\xe2\x82"), 1007),
      fails("CloseTooLong", close(1000, std::string(124, 'x')), 1002),
      ends("NothingCountsAfterClose", close(1000) + text("a") + ping("b") + "\xff\xff garbage",
           server_close(1000)),
      ends("TwoCloses", close(1000) + close(1001), server_close(1000)),
      ends("CloseWithinAMessage", part(1, "Hel", false) + close(3456), server_close(3456)),
      ends("MessageThenClose", text("a") + close(1000), server_frame(1, "a") + server_close(1000)),
  };
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
                         3000, 3999, 4000, 4999}) {
    cases.push_back(ends("Code" + std::to_string(code), close(code), server_close(code)));
  }
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65'535}) {
    cases.push_back(fails("Code" + std::to_string(code), close(code), 1002));
  }
  return cases;
}

class Conformance : public WsTest, public testing::WithParamInterface<Case> {
 protected:
  // Of what is sent, the first `pieces_bytes` go in pieces, and the rest at once.
  void check(size_t piece_bytes, size_t pieces_bytes = SIZE_MAX) {
    const Case& c = GetParam();
    Link& link = open(true);
    send(link, std::string_view(c.sent).substr(0, pieces_bytes), piece_bytes);
    if (c.sent.size() > pieces_bytes) send(link, std::string_view(c.sent).substr(pieces_bytes));
    if (c.ends) {
      EXPECT_EQ(receive_all(link), c.received);
    } else {
      EXPECT_EQ(receive(link, c.received.size()), c.received);
      EXPECT_TRUE(link.connection->is_open());
    }
    finish(link);
    EXPECT_EQ(link.peer.received, "");
  }
};

TEST_P(Conformance, AllAtOnce) {  // PROTOCOL 6.5
  check(SIZE_MAX);
}

TEST_P(Conformance, InPieces) {
  for (const size_t piece_bytes : {2, 3, 7, 1000, 4095, 4097}) {
    if (GetParam().sent.size() < 500 * piece_bytes) check(piece_bytes);
  }
}

TEST_P(Conformance, ByteByByte) {
  constexpr size_t kBytesMax = 500;
  check(1, kBytesMax);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Messages, Conformance, testing::ValuesIn(message_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Text, Conformance, testing::ValuesIn(text_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Frames, Conformance, testing::ValuesIn(frame_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Limits, Conformance, testing::ValuesIn(limit_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(Close, Conformance, testing::ValuesIn(close_cases()), name_of);

}  // namespace
}  // namespace mana_sync::ws
