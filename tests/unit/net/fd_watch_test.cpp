#include "mana_sync/net/fd_watch.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <deque>
#include <memory>

#include "mana_sync/base/limits.h"
#include "net_fixture.h"

namespace mana_sync::net {
namespace {

class FdWatchTest : public NetTest {
 protected:
  FdWatchTest() {
    std::array<int, 2> fds;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    ours_ = Descriptor(fds[0]);
    theirs_ = Descriptor(fds[1]);
  }
  void make_readable() { EXPECT_EQ(::write(theirs_.get(), "x", 1), 1); }
  void run_ticks(int count) {
    loop_->run_until([&] { return --count <= 0; });
  }

  Descriptor ours_;
  Descriptor theirs_;
};

TEST_F(FdWatchTest, EachArmYieldsOneCall) {
  int calls = 0;
  short seen = 0;
  FdWatch watch(*loop_, [&](short events) {
    ++calls;
    seen = events;
  });
  watch.arm(ours_.get(), POLLIN);
  run_ticks(3);
  EXPECT_EQ(calls, 0);
  make_readable();
  loop_->run_until([&] { return calls > 0; });
  EXPECT_EQ(seen, POLLIN);
  run_ticks(3);  // still readable
  EXPECT_EQ(calls, 1);
  watch.arm(ours_.get(), POLLIN);
  loop_->run_until([&] { return calls == 2; });
}

TEST_F(FdWatchTest, ArmingFromWithinTheCallWorks) {
  int calls = 0;
  FdWatch watch(*loop_, [&](short) {
    if (++calls < 10) watch.arm(ours_.get(), POLLIN);
  });
  make_readable();
  watch.arm(ours_.get(), POLLIN);
  loop_->run_until([&] { return calls == 10; });
  run_ticks(3);
  EXPECT_EQ(calls, 10);
}

TEST_F(FdWatchTest, ArmingForTheSameOrLessDoesNothing) {
  int calls = 0;
  FdWatch watch(*loop_, [&](short) { ++calls; });
  watch.arm(ours_.get(), POLLIN | POLLPRI);
  watch.arm(ours_.get(), POLLIN);
  make_readable();
  loop_->run_until([&] { return calls > 0; });
  run_ticks(3);
  EXPECT_EQ(calls, 1);
}

TEST_F(FdWatchTest, ArmingForMoreReplacesTheEarlierWait) {
  int calls = 0;
  short seen = 0;
  FdWatch watch(*loop_, [&](short events) {
    ++calls;
    seen = events;
  });
  watch.arm(ours_.get(), POLLIN);
  run_ticks(2);
  watch.arm(ours_.get(), POLLIN | POLLOUT);
  loop_->run_until([&] { return calls > 0; });
  EXPECT_EQ(seen, POLLOUT);
  make_readable();
  run_ticks(3);
  EXPECT_EQ(calls, 1);
}

TEST_F(FdWatchTest, ArmingForAnotherDescriptorForgetsTheFirst) {
  const Descriptor event(::eventfd(0, EFD_CLOEXEC));
  int calls = 0;
  FdWatch watch(*loop_, [&](short) { ++calls; });
  watch.arm(ours_.get(), POLLIN);
  watch.arm(event.get(), POLLIN);
  make_readable();
  run_ticks(3);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(::eventfd_write(event.get(), 1), 0);
  loop_->run_until([&] { return calls == 1; });
}

TEST_F(FdWatchTest, DisarmedItStaysSilentAndItsDescriptorCanBeClosed) {
  int calls = 0;
  FdWatch watch(*loop_, [&](short) { ++calls; });
  watch.arm(ours_.get(), POLLIN);
  run_ticks(2);
  make_readable();
  watch.disarm();
  ours_.close();
  run_ticks(3);
  EXPECT_EQ(calls, 0);
}

TEST_F(FdWatchTest, DestroyedWithACompletionUnderWayItStaysSilent) {
  // Both are readable in one tick; whichever comes first destroys the other.
  int calls = 0;
  std::array<std::unique_ptr<FdWatch>, 2> watches;
  for (size_t i = 0; i < 2; ++i) {
    watches[i] = std::make_unique<FdWatch>(*loop_, [&, i](short) {
      ++calls;
      watches[1 - i].reset();
    });
    watches[i]->arm(ours_.get(), POLLIN);
  }
  make_readable();
  run_ticks(4);
  EXPECT_EQ(calls, 1);
}

TEST_F(FdWatchTest, ItsCallMayDestroyIt) {
  std::unique_ptr<FdWatch> watch;
  const auto held = std::make_shared<int>(0);
  watch = std::make_unique<FdWatch>(*loop_, [&watch, held](short) {
    watch.reset();
    ++*held;
  });
  watch->arm(ours_.get(), POLLIN);
  make_readable();
  loop_->run_until([&] { return *held == 1; });
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(FdWatchTest, TellsOfAHangUp) {
  short seen = 0;
  FdWatch watch(*loop_, [&](short events) { seen = events; });
  watch.arm(ours_.get(), POLLIN);
  theirs_.close();
  loop_->run_until([&] { return seen != 0; });
  EXPECT_NE(seen & POLLHUP, 0);
}

TEST_F(FdWatchTest, ABadDescriptorIsReportedAsAnError) {
  short seen = 0;
  FdWatch watch(*loop_, [&](short events) { seen = events; });
  const int closed = ours_.get();
  ours_.close();
  watch.arm(closed, POLLIN);
  loop_->run_until([&] { return seen != 0; });
  EXPECT_NE(seen & POLLERR, 0);
}

// More submissions in one tick than the ring has entries: none is lost.
TEST_F(FdWatchTest, MoreWatchesThanTheSubmissionQueueHolds) {
  constexpr size_t kWatches = limits::kRingEntries + limits::kRingEntries / 2;
  size_t calls = 0;
  std::deque<FdWatch> watches;
  for (size_t i = 0; i < kWatches; ++i) {
    watches.emplace_back(*loop_, [&](short) { ++calls; }).arm(ours_.get(), POLLIN);
  }
  make_readable();
  loop_->run_until([&] { return calls == kWatches; });
}

// And more completions than its queue holds: the kernel keeps them until there is room.
TEST_F(FdWatchTest, MoreCompletionsThanTheCompletionQueueHolds) {
  constexpr size_t kWatches = limits::kRingCompletions + limits::kRingEntries;
  size_t calls = 0;
  std::deque<FdWatch> watches;
  for (size_t i = 0; i < kWatches; ++i) {
    watches.emplace_back(*loop_, [&](short) { ++calls; }).arm(ours_.get(), POLLIN);
  }
  run_ticks(2);
  make_readable();
  loop_->run_until([&] { return calls == kWatches; });
}

}  // namespace
}  // namespace mana_sync::net
