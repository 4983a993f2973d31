// Asks for /health at a fixed rate, on a thread and a loop of its own, so that what else the load
// generator does is not part of the latency.
#pragma once

#include <future>
#include <memory>
#include <thread>

#include "endpoint.h"
#include "histogram.h"
#include "mana_sync/base/result.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::loadgen {

class HealthProbe {
 public:
  struct Found {
    Histogram latency;  // from when each request was due
    uint64_t failed = 0;
  };

  // Begins to ask, every `interval_ms`. Fails (kIo) where the loop cannot be made.
  [[nodiscard]] static Result<std::unique_ptr<HealthProbe>> start(const Endpoint& endpoint,
                                                                  double interval_ms);
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  // Waits for the thread's end; what it found. Once.
  [[nodiscard]] Found stop();

 private:
  HealthProbe() = default;
  // The thread's life; says through `started` whose loop is to be told to stop.
  void run(const Endpoint& endpoint, double interval_ms, std::promise<Result<net::Loop*>> started);

  net::Loop* loop_ = nullptr;  // the thread's
  Found found_;                // the thread's, until it has ended
  std::thread thread_;
};

}  // namespace mana_sync::loadgen
