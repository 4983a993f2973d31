#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device.h"
#include "follower.h"
#include "load_scenarios.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {
namespace {

constexpr double kRepeatAfterSeconds = 0.1;
constexpr double kLookAgainAfterSeconds = 0.02;

// A user's devices, the last of which reads everything in the end, and those that only follow.
struct User {
  explicit User(size_t devices_max) : ledger(devices_max) {}
  DeliveryLedger ledger;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<std::unique_ptr<Follower>> followers;
};

// A worker of the driver for each connection that devices push over.
DriverOptions driver_options(const SyncOptions& options, size_t users) {
  DriverOptions driver = options.driver;
  driver.workers = users * options.devices_per_user;
  if (options.connections > 0) driver.workers = std::min(driver.workers, options.connections);
  return driver;
}

class Sync final : public Scenario,
                   private DriverEvents,
                   private DeviceEvents,
                   private FollowerEvents {
 public:
  Sync(RunContext& run, const SyncOptions& options);

  void start() override;
  void write_report() override;

 private:
  // kOpening: the followers ─▶ kRunning ─▶ kRepeating: pushes whose answer did not come ─▶
  // kReading: each device pulls what it has not got, and the reader all ─▶ kFollowing: the
  // followers get what they have not got
  enum class Phase { kOpening, kRunning, kRepeating, kReading, kFollowing };

  void add_devices(size_t user);
  void add_followers(size_t user);
  [[nodiscard]] size_t follower_count() const {
    return users_.size() * options_.followers_per_user;
  }
  void begin_running();
  void cut_one();
  // By its place among those of all users: first the first of each, the readers last.
  [[nodiscard]] Device& device(size_t place) {
    return *users_[place % users_.size()]->devices[place / users_.size()];
  }
  // The workers share the devices that push, as cards are dealt; each has its own in turn.
  [[nodiscard]] size_t next_device(size_t worker);
  [[nodiscard]] Op choose_op(const Device& device);

  void start_request(size_t worker, int64_t due_ns) override;
  void on_run_ended() override;
  void on_request_done(size_t place, Op op, int status, int64_t due_ns,
                       std::string_view reason) override;
  void on_following() override;
  void on_follower_ended(std::string_view reason) override {
    run().report.add_error(fmt::format("follower: {}", reason));
  }
  void on_wrong(std::string_view what) override { ++wrong_[std::string(what)]; }

  void begin_reading();
  void go_on(size_t place);
  void on_phase_request_done(size_t place, Op op, int status, std::string_view reason);
  void look_at_followers();
  [[nodiscard]] DeliveryLedger::Totals totals() const;
  void report_deliveries();
  void report_shared();

  const SyncOptions options_;
  Phase phase_ = Phase::kOpening;
  size_t busy_ = 0;       // devices that are not done with the phase
  bool is_read_ = false;  // everything by everybody but the followers
  size_t followings_ = 0;
  Histogram follower_delays_;
  std::map<std::string, uint64_t> wrong_;
  const size_t workers_;
  std::vector<size_t> turns_;  // of each worker: the device that is next
  Driver driver_;
  Schedule cuts_;
  std::vector<std::unique_ptr<SharedConnection>> connections_;
  std::vector<std::unique_ptr<User>> users_;
};

Sync::Sync(RunContext& run, const SyncOptions& options)
    : Scenario(run),
      options_(options),
      workers_(driver_options(options, run.tokens.size()).workers),
      driver_(run, driver_options(options, run.tokens.size()), *this),
      cuts_(run.network.loop(), [this] { cut_one(); }) {
  for (size_t worker = 0; worker < workers_; ++worker) turns_.push_back(worker);
  const size_t devices_in_all = run.tokens.size() * (options.devices_per_user + 1);
  const size_t connections = options.connections > 0 ? workers_ : devices_in_all;
  for (size_t i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<SharedConnection>(run.network));
  }
  for (size_t user = 0; user < run.tokens.size(); ++user) {
    const size_t devices = options.devices_per_user + 1 + options.followers_per_user;
    users_.push_back(std::make_unique<User>(devices));
    add_devices(user);
    add_followers(user);
  }
}

void Sync::add_devices(size_t user) {
  const std::string now = format_cursor_us(loop().clock().wall_us());
  for (size_t number = 0; number <= options_.devices_per_user; ++number) {
    const bool is_reader = number == options_.devices_per_user;
    const size_t place = number * run().tokens.size() + user;
    const Device::Means means{run(),
                              options_.shape,
                              options_.table,
                              is_reader ? 0 : options_.pull_limit,
                              users_[user]->ledger,
                              *this,
                              *connections_[place % connections_.size()]};
    const Device::Identity identity{
        place, run().tokens[user], is_reader ? "reader" : fmt::format("device-{}-{}", user, number),
        number, is_reader ? "1970-01-01T00:00:00Z" : std::string_view(now)};
    users_[user]->devices.push_back(std::make_unique<Device>(means, identity));
  }
}

void Sync::add_followers(size_t user) {
  User& whose = *users_[user];
  FollowerEvents& events = *this;
  for (size_t i = 0; i < options_.followers_per_user; ++i) {
    whose.followers.push_back(std::make_unique<Follower>(
        run(), user, options_.devices_per_user + 1 + i, whose.ledger, follower_delays_, events));
  }
}

void Sync::start() {
  if (follower_count() == 0) return begin_running();
  begin_phase("opening the followers");
  for (const auto& user : users_) {
    for (const auto& follower : user->followers) follower->open();
  }
}

// --- while the load runs ---

void Sync::begin_running() {
  begin_phase("the requests", options_.driver.seconds);
  phase_ = Phase::kRunning;
  driver_.start();
  if (follower_count() > 0) cuts_.start(options_.cuts_per_s, options_.driver.seconds, [] {});
}

void Sync::on_following() {
  ++followings_;
  if (phase_ == Phase::kOpening && followings_ == follower_count()) begin_running();
}

void Sync::cut_one() {
  const size_t number = run().network.random()() % follower_count();
  users_[number % users_.size()]->followers[number / users_.size()]->reconnect();
}

Op Sync::choose_op(const Device& device) {
  if (device.has_unanswered_push()) return Op::kPush;
  if (device.has_more()) return Op::kPull;
  const auto percent = static_cast<int>(run().network.random()() % 100);
  if (percent < options_.pushes) return Op::kPush;
  return percent < options_.pushes + options_.pulls ? Op::kPull : Op::kHealth;
}

size_t Sync::next_device(size_t worker) {
  const size_t place = turns_[worker];
  const size_t next = place + workers_;
  turns_[worker] = next < users_.size() * options_.devices_per_user ? next : worker;
  return place;
}

void Sync::start_request(size_t worker, int64_t due_ns) {
  Device& one = device(next_device(worker));
  one.start(choose_op(one), due_ns);
}

void Sync::on_request_done(size_t place, Op op, int status, int64_t due_ns,
                           std::string_view reason) {
  if (phase_ == Phase::kRunning) {
    return driver_.on_done(place % workers_, op, status, due_ns, reason);
  }
  on_phase_request_done(place, op, status, reason);
}

// --- afterwards ---

void Sync::on_run_ended() {
  begin_phase("repeating the pushes that were not answered");
  phase_ = Phase::kRepeating;
  const size_t pushing = users_.size() * options_.devices_per_user;
  for (size_t place = 0; place < pushing; ++place) {
    if (!device(place).has_unanswered_push()) continue;
    ++busy_;
    go_on(place);
  }
  if (busy_ == 0) begin_reading();
}

void Sync::begin_reading() {
  begin_phase("reading what was pushed");
  phase_ = Phase::kReading;
  busy_ = users_.size() * (options_.devices_per_user + 1);
  for (size_t place = 0; place < busy_; ++place) go_on(place);
}

void Sync::go_on(size_t place) {
  device(place).start(phase_ == Phase::kRepeating ? Op::kPush : Op::kPull, now_ns());
}

void Sync::on_phase_request_done(size_t place, Op op, int status, std::string_view reason) {
  if (status != 200) {
    run().report.add_error(status == 0 ? fmt::format("{}: {}", name_of(op), reason)
                                       : fmt::format("{} answered {}", name_of(op), status));
  }
  const bool is_done = phase_ == Phase::kRepeating ? !device(place).has_unanswered_push()
                                                   : status == 200 && !device(place).has_more();
  if (!is_done && status == 200) return go_on(place);
  if (!is_done) return after(kRepeatAfterSeconds, [this, place] { go_on(place); });
  if (--busy_ > 0) return;
  if (phase_ == Phase::kRepeating) return begin_reading();
  is_read_ = true;
  phase_ = Phase::kFollowing;
  begin_phase("the followers' last changes");
  look_at_followers();
}

void Sync::look_at_followers() {
  if (follower_count() == 0 || totals().lost == 0) return finish();
  after(kLookAgainAfterSeconds, [this] { look_at_followers(); });
}

DeliveryLedger::Totals Sync::totals() const {
  DeliveryLedger::Totals totals;
  for (const auto& user : users_) totals += user->ledger.totals();
  return totals;
}

void Sync::report_deliveries() {
  Report& report = run().report;
  const DeliveryLedger::Totals totals = this->totals();
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
    for (const auto& one : user->followers) differences += one->shared().differences(reference);
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
  if (follower_count() > 0) {
    report.add_figure("followers", static_cast<double>(follower_count()));
    report.add_figure("followers opened", static_cast<double>(followings_));
    report.add_latency("answer to follower", follower_delays_);
  }
  if (is_read_) {
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
