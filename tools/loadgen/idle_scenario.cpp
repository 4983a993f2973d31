#include <fmt/format.h>

#include <utility>

#include "fleet.h"
#include "realtime_scenarios.h"

namespace mana_sync::loadgen {
namespace {

class Idle final : public Scenario, private FleetEvents {
 public:
  Idle(RunContext& run, const IdleOptions& options)
      : Scenario(run), options_(options), fleet_(run, {.listeners = options.sockets}, *this) {}

  void start() override;
  void write_report() override;

 private:
  void on_all_decided() override;
  void on_lost(size_t, std::string_view reason) override {
    ++lost_;
    run().report.add_error(reason);
  }
  void end();

  const IdleOptions options_;
  ProcessStats before_;
  ProcessStats open_;
  ProcessStats after_;
  uint64_t lost_ = 0;
  bool is_complete_ = false;
  Fleet fleet_;
};

void Idle::start() {
  before_ = server_stats(run());
  begin_phase("opening the sockets", fleet_.opening_s(options_.opened_per_s));
  fleet_.open(options_.opened_per_s);
}

void Idle::on_all_decided() {
  open_ = server_stats(run());
  begin_phase("holding the sockets", options_.hold_s);
  after(options_.hold_s, [this] { end(); });
}

void Idle::end() {
  after_ = server_stats(run());
  is_complete_ = true;
  finish();
}

void Idle::write_report() {
  Report& report = run().report;
  report.add_figure("sockets authenticated", static_cast<double>(fleet_.ready()));
  report.add_figure("sockets refused or failed", static_cast<double>(fleet_.given_up()));
  report.add_figure("sockets lost while idle", static_cast<double>(lost_));
  report.add_figure("until all were authenticated", static_cast<double>(fleet_.opening_ns()) / 1e9,
                    "s");
  report.add_latency("opening to authenticated", fleet_.ready_after());
  if (fleet_.given_up() > 0) {
    report.add_failure(fmt::format("{} sockets were refused or failed", fleet_.given_up()));
  }
  if (lost_ > 0) report.add_failure(fmt::format("{} sockets were lost", lost_));
  if (run().options.server_pid == 0 || !is_complete_) return;
  const double sockets = std::max<double>(1, static_cast<double>(fleet_.ready()));
  const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  report.add_figure("server RSS before", mib(before_.resident_bytes), "MiB");
  report.add_figure("server RSS with all open", mib(open_.resident_bytes), "MiB");
  report.add_figure("server RSS after", mib(after_.resident_bytes), "MiB");
  report.add_figure("server memory for a socket",
                    static_cast<double>(after_.anonymous_bytes - before_.anonymous_bytes) / sockets,
                    "bytes");
  report.add_figure("server CPU to open them", open_.cpu_s - before_.cpu_s, "s");
  report.add_figure("server CPU while idle", 100 * (after_.cpu_s - open_.cpu_s) / options_.hold_s,
                    "% of a core");
}

}  // namespace

std::unique_ptr<Scenario> make_idle(RunContext& run, const IdleOptions& options) {
  return std::make_unique<Idle>(run, options);
}

}  // namespace mana_sync::loadgen
