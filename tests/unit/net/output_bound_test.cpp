// What the peers of all sockets together do not take is bounded.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"
#include "net_fixture.h"

namespace mana_sync::net {
namespace {

constexpr size_t kBoundBytes = 32 * limits::kMiB;
constexpr size_t kAnswerBytes = 12 * limits::kMiB;  // more than the kernel takes

class OutputBoundTest : public NetTest {
 protected:
  OutputBoundTest() {
    loop_ = std::move(*Loop::create(system_clock_, log_, bounded_metrics_, kBoundBytes));
  }

  // A connection to whose peer an answer is on its way.
  Recorder& answer_one() {
    Recorder& recorder = recorders_.emplace_back();
    peers_.push_back(connect(recorder));
    recorder.socket->send(std::string(kAnswerBytes, 'x'));
    loop_->run_until([&] { return recorder.sent_calls > 0 || recorder.is_closed; });
    return recorder;
  }
  [[nodiscard]] bool has_bounded_metric(const std::string& line) const {
    return bounded_metrics_.render().find(line + "\n") != std::string::npos;
  }

  Metrics bounded_metrics_;
  std::deque<Recorder> recorders_;
  std::vector<Peer> peers_;
};

TEST_F(OutputBoundTest, BeyondItThoseThatWaitLongestAreClosed) {
  // The kernel takes a part of each.
  for (int i = 0; i < 20 && (i == 0 || !recorders_[0].is_closed); ++i) answer_one();
  EXPECT_TRUE(recorders_[0].is_closed);
  EXPECT_GT(recorders_.size(), 2U) << "the bound was not reached yet";
  EXPECT_TRUE(std::ranges::is_partitioned(recorders_, &Recorder::is_closed));
  EXPECT_FALSE(recorders_.back().is_closed);
  const auto closed = std::ranges::count_if(recorders_, &Recorder::is_closed);
  EXPECT_TRUE(has_bounded_metric("mana_sync_slow_readers_closed_total " + std::to_string(closed)));
  loop_->run_until([&] {
    peers_[0].read();
    return peers_[0].error == ECONNRESET || peers_[0].is_finished;
  });
  EXPECT_EQ(peers_[0].error, ECONNRESET) << "a part must not pass for the whole";
}

TEST_F(OutputBoundTest, WhoReadsIsNotTouchedHoweverMuchItReads) {
  Recorder recorder;
  Peer peer = connect(recorder);
  constexpr size_t kTotalBytes = 3 * kBoundBytes;
  size_t sent_bytes = 0;
  loop_->run_until([&] {
    if (recorder.socket->pending_bytes() == 0 && sent_bytes < kTotalBytes) {
      recorder.socket->send(std::string(kAnswerBytes, 'x'));
      sent_bytes += kAnswerBytes;
    }
    peer.read();
    return peer.received.size() >= kTotalBytes;
  });
  EXPECT_FALSE(recorder.is_closed);
  EXPECT_TRUE(has_bounded_metric("mana_sync_output_bytes 0"));
}

TEST_F(OutputBoundTest, WhatAClosedSocketHadIsNotCountedAnyMore) {
  for (const bool by_peer : {false, true}) {
    Recorder& recorder = answer_one();
    if (by_peer) peers_.back().close_with_reset();
    if (!by_peer) recorder.socket->abort();
    loop_->run_until([&] { return recorder.is_closed; });
    EXPECT_TRUE(has_bounded_metric("mana_sync_output_bytes 0")) << by_peer;
  }
  EXPECT_TRUE(has_bounded_metric("mana_sync_slow_readers_closed_total 0"));
}

}  // namespace
}  // namespace mana_sync::net
