// Waiting for what a loop brings about.
#pragma once

#include <gtest/gtest.h>

#include <chrono>

#include "mana_sync/net/loop.h"

namespace mana_sync {

// Runs `loop` until `done()`, which is asked in each tick after `pump()` has moved the other ends
// of its connections. Fails the test after 20 s.
template <class Pump, class Done>
void run_loop_until(net::Loop& loop, Pump pump, Done done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool is_done = false;
  loop.run_until([&] {
    pump();
    is_done = done();
    return is_done || std::chrono::steady_clock::now() > give_up;
  });
  EXPECT_TRUE(is_done) << "gave up waiting";
}

}  // namespace mana_sync
