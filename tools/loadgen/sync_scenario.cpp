#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device.h"
#include "load_scenarios.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {
namespace {

constexpr double kRepeatAfterSeconds = 0.1;

// A user's devices, and one that reads everything in the end.
struct User {
  explicit User(size_t devices_max) : ledger(devices_max) {}
  DeliveryLedger ledger;
  std::vector<std::unique_ptr<Device>> devices;
};

class Sync final : public Scenario, private DriverEvents, private DeviceEvents {
 public:
  Sync(RunContext& run, const SyncOptions& options);

  void start() override {
    begin_phase("the requests", options_.driver.seconds);
    driver_.start();
  }
  void write_report() override;

 private:
  // kRunning ─▶ kRepeating: pushes whose answer did not come ─▶ kReading: each device pulls what it
  // has not got, and the reader all
  enum class Phase { kRunning, kRepeating, kReading };

  void add_devices(size_t user);
  [[nodiscard]] Device& device(size_t worker) {
    return *users_[worker % users_.size()]->devices[worker / users_.size()];
  }
  [[nodiscard]] Op choose_op(const Device& device);

  void start_request(size_t worker, int64_t due_ns) override;
  void on_run_ended() override;
  void on_request_done(size_t worker, Op op, int status, int64_t due_ns,
                       std::string_view reason) override;
  void on_wrong(std::string_view what) override { ++wrong_[std::string(what)]; }

  void begin_reading();
  void go_on(size_t worker);
  void on_phase_request_done(size_t worker, Op op, int status, std::string_view reason);
  void report_deliveries();
  void report_shared();

  const SyncOptions options_;
  Phase phase_ = Phase::kRunning;
  size_t busy_ = 0;  // devices that are not done with the phase
  bool is_complete_ = false;
  std::map<std::string, uint64_t> wrong_;
  Driver driver_;
  std::vector<std::unique_ptr<User>> users_;
};

Sync::Sync(RunContext& run, const SyncOptions& options)
    : Scenario(run),
      options_(options),
      driver_(
          run,
          [&] {
            DriverOptions driver = options.driver;
            driver.workers = run.tokens.size() * options.devices_per_user;
            return driver;
          }(),
          *this) {
  for (size_t user = 0; user < run.tokens.size(); ++user) {
    users_.push_back(std::make_unique<User>(options.devices_per_user + 1));
    add_devices(user);
  }
}

void Sync::add_devices(size_t user) {
  const std::string now = format_cursor_us(loop().clock().wall_us());
  for (size_t number = 0; number <= options_.devices_per_user; ++number) {
    const bool is_reader = number == options_.devices_per_user;
    const Device::Means means{run(),
                              options_.shape,
                              options_.table,
                              is_reader ? 0 : options_.pull_limit,
                              users_[user]->ledger,
                              *this};
    const Device::Identity identity{
        number * run().tokens.size() + user, run().tokens[user],
        is_reader ? "reader" : fmt::format("device-{}-{}", user, number), number,
        is_reader ? "1970-01-01T00:00:00Z" : std::string_view(now)};
    users_[user]->devices.push_back(std::make_unique<Device>(means, identity));
  }
}

// --- while the load runs ---

Op Sync::choose_op(const Device& device) {
  if (device.has_unanswered_push()) return Op::kPush;
  if (device.has_more()) return Op::kPull;
  const auto percent = static_cast<int>(run().network.random()() % 100);
  if (percent < options_.pushes) return Op::kPush;
  return percent < options_.pushes + options_.pulls ? Op::kPull : Op::kHealth;
}

void Sync::start_request(size_t worker, int64_t due_ns) {
  Device& one = device(worker);
  one.start(choose_op(one), due_ns);
}

void Sync::on_request_done(size_t worker, Op op, int status, int64_t due_ns,
                           std::string_view reason) {
  if (phase_ == Phase::kRunning) return driver_.on_done(worker, op, status, due_ns, reason);
  on_phase_request_done(worker, op, status, reason);
}

// --- afterwards ---

void Sync::on_run_ended() {
  begin_phase("repeating the pushes that were not answered");
  phase_ = Phase::kRepeating;
  const size_t workers = users_.size() * options_.devices_per_user;
  for (size_t worker = 0; worker < workers; ++worker) {
    if (!device(worker).has_unanswered_push()) continue;
    ++busy_;
    go_on(worker);
  }
  if (busy_ == 0) begin_reading();
}

void Sync::begin_reading() {
  begin_phase("reading what was pushed");
  phase_ = Phase::kReading;
  busy_ = users_.size() * (options_.devices_per_user + 1);
  for (size_t worker = 0; worker < busy_; ++worker) go_on(worker);
}

void Sync::go_on(size_t worker) {
  device(worker).start(phase_ == Phase::kRepeating ? Op::kPush : Op::kPull, now_ns());
}

void Sync::on_phase_request_done(size_t worker, Op op, int status, std::string_view reason) {
  if (status != 200) {
    run().report.add_error(status == 0 ? fmt::format("{}: {}", name_of(op), reason)
                                       : fmt::format("{} answered {}", name_of(op), status));
  }
  const bool is_done = phase_ == Phase::kRepeating ? !device(worker).has_unanswered_push()
                                                   : status == 200 && !device(worker).has_more();
  if (!is_done && status == 200) return go_on(worker);
  if (!is_done) return after(kRepeatAfterSeconds, [this, worker] { go_on(worker); });
  if (--busy_ > 0) return;
  if (phase_ == Phase::kRepeating) return begin_reading();
  is_complete_ = true;
  finish();
}

void Sync::report_deliveries() {
  Report& report = run().report;
  DeliveryLedger::Totals totals;
  for (const auto& user : users_) totals += user->ledger.totals();
  report.add_figure("changes acknowledged", static_cast<double>(totals.acknowledged));
  report.add_figure("changes delivered", static_cast<double>(totals.delivered));
  report.add_figure("changes lost", static_cast<double>(totals.lost));
  report.add_figure("changes repeated", static_cast<double>(totals.repeated));
  report.add_figure("changes of nobody", static_cast<double>(totals.strange));
  if (totals.lost > 0) report.add_failure(fmt::format("{} changes were lost", totals.lost));
  if (totals.repeated > 0) {
    report.add_failure(fmt::format("{} changes were repeated", totals.repeated));
  }
  if (totals.strange > 0) {
    report.add_failure(fmt::format("{} changes were nobody's", totals.strange));
  }
}

void Sync::report_shared() {
  uint64_t conflicts = 0;
  size_t differences = 0;
  for (const auto& user : users_) {
    const SharedRecords& reference = user->devices.back()->shared();
    for (const auto& one : user->devices) {
      conflicts += one->conflicts();
      differences += one->shared().differences(reference);
    }
  }
  run().report.add_figure("conflicts reported", static_cast<double>(conflicts));
  run().report.add_figure("shared records that differ", static_cast<double>(differences));
  if (differences > 0) {
    run().report.add_failure(fmt::format("{} shared records differ in the end", differences));
  }
}

void Sync::write_report() {
  Report& report = run().report;
  report.add_figure("users", static_cast<double>(users_.size()));
  driver_.write_report();
  if (is_complete_) {
    report_deliveries();
    report_shared();
  } else {
    report.add_failure("what was delivered could not be checked");
  }
  for (const auto& [what, count] : wrong_) {
    report.add_failure(fmt::format("{} ({} times)", what, count));
  }
}

}  // namespace

std::unique_ptr<Scenario> make_sync(RunContext& run, const SyncOptions& options) {
  return std::make_unique<Sync>(run, options);
}

}  // namespace mana_sync::loadgen
