#include "health_probe.h"

#include <deque>
#include <limits>
#include <utility>

#include "http_connection.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "network.h"
#include "schedule.h"

namespace mana_sync::loadgen {
namespace {

// Longer than any run.
constexpr double kSecondsMax = 24 * 3600;

class Prober final : private HttpEvents {
 public:
  Prober(Network& network, HealthProbe::Found& found)
      : network_(network),
        found_(found),
        request_(get_request(network.endpoint(), "/health")),
        connection_(network, *this),
        schedule_(network.loop(), [this] { ask(); }) {}

  void start(double per_s) {
    schedule_.start(per_s, kSecondsMax, [] {});
  }

 private:
  void ask() {
    due_ns_.push_back(schedule_.due_ns());
    connection_.send(request_);
  }
  void on_answer(int status, std::string_view) override {
    const int64_t due_ns = due_ns_.front();
    due_ns_.pop_front();
    if (status == 200) {
      found_.latency.record(network_.now_ns() - due_ns);
    } else {
      ++found_.failed;
    }
  }

  Network& network_;
  HealthProbe::Found& found_;
  const std::string request_;
  std::deque<int64_t> due_ns_;  // of the requests without an answer, oldest first
  HttpConnection connection_;
  Schedule schedule_;
};

}  // namespace

Result<std::unique_ptr<HealthProbe>> HealthProbe::start(const Endpoint& endpoint,
                                                        double interval_ms) {
  std::unique_ptr<HealthProbe> probe(new HealthProbe);
  std::promise<Result<net::Loop*>> started;
  auto loop = started.get_future();
  probe->thread_ = std::thread(
      [self = probe.get(), &endpoint, interval_ms, started = std::move(started)]() mutable {
        self->run(endpoint, interval_ms, std::move(started));
      });
  const Result<net::Loop*> running = loop.get();
  if (!running) return std::unexpected(running.error());
  probe->loop_ = *running;
  return probe;
}

void HealthProbe::run(const Endpoint& endpoint, double interval_ms,
                      std::promise<Result<net::Loop*>> started) {
  const SystemClock clock;
  Logger log(LogLevel::kWarn, clock);
  Metrics metrics;
  // A loop belongs to the thread that makes it.
  auto loop = net::Loop::create(clock, log, metrics);
  if (!loop) return started.set_value(std::unexpected(loop.error()));
  Network network(std::move(*loop), endpoint);
  Prober prober(network, found_);
  prober.start(1000 / interval_ms);
  started.set_value(&network.loop());
  network.loop().run();
}

HealthProbe::~HealthProbe() {
  if (thread_.joinable()) static_cast<void>(stop());
}

HealthProbe::Found HealthProbe::stop() {
  if (loop_ != nullptr) loop_->post([loop = loop_] { loop->stop(); });
  thread_.join();
  return std::move(found_);
}

}  // namespace mana_sync::loadgen
