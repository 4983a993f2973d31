#include "output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "mana_sync/base/limits.h"

namespace mana_sync::net {
namespace {

SharedBytes whole(const std::shared_ptr<const std::string>& owner) {
  return {owner, *owner};
}

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
  queue.push(whole(std::make_shared<const std::string>("bc")));
  queue.push(SharedBytes{});
  queue.push("d");
  EXPECT_EQ(queue.pending_bytes(), 4U);
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 1U);
  EXPECT_EQ(text_of({pieces.data(), 1}), "abcd");
}

TEST(OutputQueue, AppendingToASharedPieceLeavesTheOthersBytesAlone) {
  const auto shared = std::make_shared<const std::string>("shared");
  OutputQueue queue;
  queue.push(whole(shared));
  queue.push("+own");
  EXPECT_EQ(shared.use_count(), 1) << "its bytes were copied";
  std::array<iovec, 4> pieces;
  const size_t count = queue.gather(pieces);
  EXPECT_EQ(text_of({pieces.data(), count}), "shared+own");
  EXPECT_EQ(*shared, "shared");
}

TEST(OutputQueue, LargeSharedPiecesAreNotCopied) {
  const auto large = std::make_shared<const std::string>(limits::kSmallOutputBytes + 1, 'x');
  OutputQueue queue;
  queue.push("head");
  queue.push(whole(large));
  queue.push("tail");
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 3U);
  EXPECT_EQ(pieces[1].iov_base, large->data());
  EXPECT_EQ(text_of({pieces.data(), 3}), "head" + *large + "tail");
}

TEST(OutputQueue, SharedBytesMayBeAPartOfWhatTheirOwnerHolds) {
  const auto owner = std::make_shared<const std::string>(4 * limits::kSmallOutputBytes, 'x');
  const std::string_view part = std::string_view(*owner).substr(7, limits::kSmallOutputBytes + 1);
  OutputQueue queue;
  queue.push(SharedBytes{owner, part});
  EXPECT_EQ(queue.pending_bytes(), part.size());
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 1U);
  EXPECT_EQ(pieces[0].iov_base, part.data());
  EXPECT_EQ(pieces[0].iov_len, part.size());
}

TEST(OutputQueue, LetsGoOfAnOwnerWhenItsLastByteIsConsumed) {
  const auto owner = std::make_shared<const std::string>(limits::kSmallOutputBytes + 1, 'x');
  OutputQueue queue;
  queue.push(whole(owner));
  queue.push("tail");
  std::array<iovec, 4> pieces;
  ASSERT_EQ(queue.gather(pieces), 2U);
  queue.consume(owner->size() - 1);
  EXPECT_EQ(owner.use_count(), 2);
  queue.consume(1);
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_EQ(queue.pending_bytes(), 4U);
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
