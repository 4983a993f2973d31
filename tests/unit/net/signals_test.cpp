#include "mana_sync/net/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <vector>

#include "net_fixture.h"

namespace mana_sync::net {
namespace {

using SignalsTest = NetTest;
using ::testing::UnorderedElementsAre;

TEST_F(SignalsTest, EachSignalIsOneCallOfTheLoop) {
  std::vector<int> seen;
  auto signals =
      Signals::watch(*loop_, {SIGUSR1, SIGUSR2}, [&](int number) { seen.push_back(number); });
  ASSERT_TRUE(signals.has_value());
  ::kill(::getpid(), SIGUSR1);
  ::kill(::getpid(), SIGUSR2);
  EXPECT_TRUE(seen.empty());
  loop_->run_until([&] { return seen.size() == 2; });
  EXPECT_THAT(seen, UnorderedElementsAre(SIGUSR1, SIGUSR2));
  ::kill(::getpid(), SIGUSR1);
  loop_->run_until([&] { return seen.size() == 3; });
}

TEST_F(SignalsTest, TheCallMayDestroyTheWatch) {
  std::unique_ptr<Signals> signals;
  bool is_called = false;
  signals = std::move(*Signals::watch(*loop_, {SIGUSR1}, [&](int) {
    signals.reset();
    is_called = true;
  }));
  ::kill(::getpid(), SIGUSR1);
  loop_->run_until([&] { return is_called; });
}

}  // namespace
}  // namespace mana_sync::net
