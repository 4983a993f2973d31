#include "output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "mana_sync/base/limits.h"

namespace mana_sync::net {
namespace {

std::string text_of(std::span<const iovec> pieces) {
  std::string text;
  for (const iovec& piece : pieces) {
    text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return text;
}

TEST(OutputQueue, JoinsSmallPiecesIntoOne) {
  OutputQueue queue;
  queue.push("a");
  queue.push("");
  queue.push(std::make_shared<const std::string>("bc"));
  queue.push("d");
  EXPECT_EQ(queue.pending_bytes(), 4U);
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 1U);
  EXPECT_EQ(text_of({pieces.data(), 1}), "abcd");
}

TEST(OutputQueue, AppendingToASharedPieceLeavesTheOthersBytesAlone) {
  const auto shared = std::make_shared<const std::string>("shared");
  OutputQueue queue;
  queue.push(shared);
  queue.push("+own");
  std::array<iovec, 4> pieces;
  const size_t count = queue.gather(pieces);
  EXPECT_EQ(text_of({pieces.data(), count}), "shared+own");
  EXPECT_EQ(*shared, "shared");
}

TEST(OutputQueue, LargeSharedPiecesAreNotCopied) {
  const auto large = std::make_shared<const std::string>(limits::kSmallOutputBytes + 1, 'x');
  OutputQueue queue;
  queue.push("head");
  queue.push(large);
  queue.push("tail");
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 3U);
  EXPECT_EQ(pieces[1].iov_base, large->data());
  EXPECT_EQ(text_of({pieces.data(), 3}), "head" + *large + "tail");
}

TEST(OutputQueue, WhatWasGatheredStaysInPlaceWhileMoreIsPushed) {
  OutputQueue queue;
  queue.push("short");  // small enough to live inside the string object
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 1U);
  for (int i = 0; i < 1000; ++i) queue.push(std::string(limits::kSmallOutputBytes + 1, 'x'));
  EXPECT_EQ(text_of({pieces.data(), 1}), "short");
}

TEST(OutputQueue, ContinuesAfterAShortSendAtAnyByte) {
  OutputQueue queue;
  std::string expected;
  for (char c = 'a'; c <= 'h'; ++c) {
    const std::string bytes(limits::kSmallOutputBytes + static_cast<size_t>(c), c);
    expected += bytes;
    queue.push(bytes);
  }
  std::string taken;
  std::array<iovec, 3> pieces;
  for (size_t step = 1; queue.pending_bytes() > 0; step = step * 2 + 1) {
    const size_t count = queue.gather(pieces);
    const std::string offered = text_of({pieces.data(), count});
    const size_t bytes = std::min(step, offered.size());
    taken += offered.substr(0, bytes);
    queue.consume(bytes);
    if (taken.size() == bytes) queue.push("end");  // behind all the others
  }
  EXPECT_EQ(taken, expected + "end");
  EXPECT_EQ(queue.gather(pieces), 0U);
}

}  // namespace
}  // namespace mana_sync::net
