#include <fmt/format.h>

#include <memory>
#include <utility>

#include "fleet.h"
#include "health_probe.h"
#include "realtime_scenarios.h"

namespace mana_sync::loadgen {
namespace {

// How long the health is asked for before the storm, for comparison.
constexpr double kCalmSeconds = 1;
// A client that is refused comes again.
constexpr int kRetriesMax = 200;

class Storm final : public Scenario, private FleetEvents {
 public:
  Storm(RunContext& run, const StormOptions& options)
      : Scenario(run),
        options_(options),
        fleet_(run, {.listeners = options.sockets, .retries_max = kRetriesMax}, *this) {}

  void start() override;
  void write_report() override;

 private:
  void on_all_decided() override;
  void on_lost(size_t, std::string_view reason) override {
    ++lost_;
    run().report.add_error(reason);
  }
  void begin_probe();
  void break_out();
  void end();

  const StormOptions options_;
  bool is_storm_ = false;
  bool is_complete_ = false;
  uint64_t lost_ = 0;
  std::unique_ptr<HealthProbe> probe_;
  HealthProbe::Found calm_;
  HealthProbe::Found stormy_;
  Fleet fleet_;
};

void Storm::start() {
  begin_phase("opening the sockets", fleet_.opening_s(options_.opened_per_s));
  fleet_.open(options_.opened_per_s);
}

void Storm::on_all_decided() {
  if (is_storm_) return end();
  begin_phase("the calm", kCalmSeconds);
  begin_probe();
  after(kCalmSeconds, [this] { break_out(); });
}

void Storm::begin_probe() {
  auto probe = HealthProbe::start(run().network.endpoint(), options_.probe_interval_ms);
  if (probe) {
    probe_ = std::move(*probe);
  } else {
    run().report.add_failure(probe.error().message);
  }
}

void Storm::break_out() {
  if (probe_ == nullptr) return finish();
  calm_ = probe_->stop();
  begin_probe();
  begin_phase("the storm");
  is_storm_ = true;
  fleet_.cut();
  fleet_.open();
}

void Storm::end() {
  if (probe_ != nullptr) stormy_ = probe_->stop();
  is_complete_ = true;
  finish();
}

void Storm::write_report() {
  Report& report = run().report;
  report.add_figure("sockets", static_cast<double>(fleet_.size()));
  report.add_figure("sockets authenticated again",
                    static_cast<double>(is_storm_ ? fleet_.ready() : 0));
  report.add_figure("tries that were refused", static_cast<double>(fleet_.retries()));
  report.add_figure("until all were back", static_cast<double>(fleet_.opening_ns()) / 1e9, "s");
  report.add_figure("health failed in the storm", static_cast<double>(stormy_.failed));
  report.add_latency("back after", fleet_.ready_after());
  report.add_latency("health before the storm", calm_.latency);
  report.add_latency("health in the storm", stormy_.latency);
  if (!is_complete_) report.add_failure("not all sockets came back");
  if (fleet_.given_up() > 0) {
    report.add_failure(fmt::format("{} sockets were given up", fleet_.given_up()));
  }
  if (lost_ > 0) report.add_failure(fmt::format("{} sockets were lost", lost_));
  if (stormy_.failed > 0)
    report.add_failure(fmt::format("{} health requests failed", stormy_.failed));
}

}  // namespace

std::unique_ptr<Scenario> make_storm(RunContext& run, const StormOptions& options) {
  return std::make_unique<Storm>(run, options);
}

}  // namespace mana_sync::loadgen
