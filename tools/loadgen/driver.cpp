#include "driver.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace mana_sync::loadgen {
namespace {

double own_cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

std::string_view name_of(Op op) {
  switch (op) {
    case Op::kPush:
      return "push";
    case Op::kPull:
      return "pull";
    case Op::kHealth:
      return "health";
  }
  return {};
}

Driver::Driver(RunContext& run, DriverOptions options, DriverEvents& events)
    : run_(run),
      options_(options),
      events_(events),
      workers_(options.workers),
      schedule_(run.network.loop(), [this] { on_due(); }),
      progress_(run.network.loop()) {}

Driver::~Driver() {
  for (const Worker& worker : workers_) run_.network.loop().cancel(worker.pause);
}

void Driver::start() {
  server_before_ = server_stats(run_);
  own_cpu_before_s_ = own_cpu_s();
  begun_ns_ = run_.network.now_ns();
  progress_.start();
  // In a closed loop the schedule only says when the time is over.
  schedule_.start(options_.requests_per_s, options_.seconds, [this] { end(); });
  if (!is_closed_loop()) return;
  for (size_t worker = 0; worker < workers_.size(); ++worker) refill(worker);
}

void Driver::begin(size_t worker, int64_t due_ns) {
  ++workers_[worker].under_way;
  ++under_way_;
  events_.start_request(worker, due_ns);
}

void Driver::on_due() {
  const size_t worker = next_worker_++ % workers_.size();
  if (workers_[worker].under_way < options_.pipelined) return begin(worker, schedule_.due_ns());
  if (waiting_ >= kWaitingMax) {
    ++given_up_;
    return;
  }
  ++waiting_;
  workers_[worker].waiting.push_back(schedule_.due_ns());
}

void Driver::on_done(size_t worker, Op op, int status, int64_t due_ns, std::string_view reason) {
  --workers_[worker].under_way;
  --under_way_;
  count(op, status, due_ns, reason);
  if (status != 0) return refill(worker);
  net::Loop& loop = run_.network.loop();
  loop.cancel(workers_[worker].pause);
  workers_[worker].pause =
      loop.after(std::chrono::milliseconds(kBackOffMs), [this, worker] { refill(worker); });
}

void Driver::refill(size_t number) {
  Worker& worker = workers_[number];
  while (worker.under_way < options_.pipelined) {
    int64_t due_ns = run_.network.now_ns();
    if (!worker.waiting.empty()) {
      due_ns = worker.waiting.front();
      worker.waiting.pop_front();
      --waiting_;
    } else if (!is_closed_loop() || is_over_) {
      break;
    }
    begin(number, due_ns);
  }
  end_if_idle();
}

void Driver::end() {
  is_over_ = true;
  server_after_ = server_stats(run_);
  own_cpu_s_ = own_cpu_s() - own_cpu_before_s_;
  progress_.stop();
  end_if_idle();
}

void Driver::end_if_idle() {
  if (!is_over_ || is_ended_ || under_way_ > 0 || waiting_ > 0) return;
  is_ended_ = true;
  events_.on_run_ended();
}

void Driver::count(Op op, int status, int64_t due_ns, std::string_view reason) {
  const int64_t now_ns = run_.network.now_ns();
  const bool is_ok = status == 200;
  if (is_ok) {
    latencies_[static_cast<size_t>(op)].record(now_ns - due_ns);
  } else {
    ++failed_;
    run_.report.add_error(status == 0 ? fmt::format("{}: {}", name_of(op), reason)
                                      : fmt::format("{} answered {}", name_of(op), status));
  }
  if (is_over_) return;
  progress_.add(now_ns - due_ns, is_ok);
  if (!is_ok) return;
  ++answered_;
  const auto second = static_cast<size_t>((now_ns - begun_ns_) / 1'000'000'000);
  if (second >= per_second_.size()) per_second_.resize(second + 1);
  ++per_second_[second];
}

void Driver::write_report() {
  Report& report = run_.report;
  const auto answered = static_cast<double>(answered_);
  report.add_figure("connections", static_cast<double>(workers_.size()));
  if (!is_closed_loop()) report.add_figure("rate asked for", options_.requests_per_s, "1/s");
  report.add_figure("rate", answered / options_.seconds, "1/s");
  report.add_figure("failed", static_cast<double>(failed_));
  report.add_figure("never sent", static_cast<double>(given_up_));
  report.add_figure("own CPU", 100 * own_cpu_s_ / options_.seconds, "% of a core");
  if (run_.options.server_pid != 0) {
    const double cpu_s = server_after_.cpu_s - server_before_.cpu_s;
    report.add_figure("server CPU", 100 * cpu_s / options_.seconds, "% of a core");
    report.add_figure("server CPU for a request", 1e6 * cpu_s / std::max(1.0, answered), "us");
  }
  for (size_t op = 0; op < kOpCount; ++op) {
    if (latencies_[op].count() > 0) {
      report.add_latency(std::string(name_of(static_cast<Op>(op))), latencies_[op]);
    }
  }
  report.set_per_second(per_second_);
  if (answered_ == 0) report.add_failure("no request was answered 200");
  if (given_up_ > 0) {
    report.add_failure(fmt::format("{} requests could not even wait for their turn", given_up_));
  }
}

}  // namespace mana_sync::loadgen
