// Who is told of a commit: all devices of one user, in one tick.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "allocation_counter.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/hub.h"
#include "samples.h"

namespace mana_sync::sync {
namespace {

// Takes what waits at once, as a socket does that can send.
class Device final : public Subscriber {
 public:
  Device(Hub& hub, int64_t number)
      : hub_(hub),
        id_(hub.subscribe({.user_id = std::string(samples::kUserId),
                           .app_id = std::string(samples::kAppId),
                           .client_id = fmt::format("device-{}", number)},
                          *this)) {}
  ~Device() override { hub_.unsubscribe(id_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void on_notified() override {
    for (const auto& notice : hub_.take(id_)) benchmark::DoNotOptimize(notice->message.data());
  }
  void on_gap() override {}

 private:
  Hub& hub_;
  const SubscriptionId id_;
};

void publish_and_drain(benchmark::State& state) {
  Metrics metrics;
  Hub hub(metrics);
  std::vector<std::unique_ptr<Device>> devices;
  for (int64_t i = 0; i < state.range(0); ++i) devices.push_back(std::make_unique<Device>(hub, i));
  const StreamName stream{std::string(samples::kUserId), std::string(samples::kAppId)};
  const std::vector<ChangeRow> rows{{.stamp_us = 1, .table = "todos", .client_id = "laptop"}};
  AllocationCounter allocations(state);
  for (auto _ : state) {
    allocations.count([&] {
      hub.publish(stream, rows);
      hub.drain();
    });
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(publish_and_drain)->ArgName("subscribers")->Arg(0)->Arg(1)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace mana_sync::sync

BENCHMARK_MAIN();
