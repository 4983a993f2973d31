// A line on stderr, once a second, of how a run goes.
#pragma once

#include <cstdint>

#include "histogram.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::loadgen {

// One thread; destroyed before its loop.
class Progress {
 public:
  explicit Progress(net::Loop& loop) : loop_(loop) {}
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void start();
  void stop();
  // A request has ended.
  void add(int64_t latency_ns, bool is_ok);

 private:
  void tell();
  void wait();

  net::Loop& loop_;
  net::TimerId timer_;
  int64_t begun_ns_ = 0;
  uint64_t errors_ = 0;
  bool is_terminal_ = false;
  Histogram second_;  // of the last second
};

}  // namespace mana_sync::loadgen
