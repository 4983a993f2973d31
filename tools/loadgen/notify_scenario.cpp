#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "fleet.h"
#include "notice_ledger.h"
#include "realtime_scenarios.h"
#include "schedule.h"
#include "writer.h"

namespace mana_sync::loadgen {
namespace {

class Notify final : public Scenario, private FleetEvents, private WriterEvents {
 public:
  Notify(RunContext& run, const NotifyOptions& options)
      : Scenario(run),
        options_(options),
        ledger_(options.listeners_per_user),
        fleet_(run, {options.users * options.listeners_per_user, options.kind}, *this),
        schedule_(run.network.loop(), [this] { push_next(); }) {
    WriterEvents& events = *this;
    for (size_t user = 0; user < options.users; ++user) {
      writers_.push_back(
          std::make_unique<Writer>(run, user, fmt::format("writer-{}", user), events));
    }
  }

  void start() override {
    begin_phase("opening the listeners");
    fleet_.open();
  }
  void write_report() override;

 private:
  void on_all_decided() override;
  void push_next();
  void end_if_settled();

  void on_tables(size_t listener, std::span<const std::string_view> tables) override;
  void on_lost(size_t, std::string_view reason) override {
    run().report.add_failure(fmt::format("a listener was lost: {}", reason));
    finish();
  }
  void on_push_answered(uint64_t push, int status) override;

  const NotifyOptions options_;
  NoticeLedger ledger_;
  uint64_t pushes_ = 0;
  uint64_t refused_ = 0;
  uint64_t notices_ = 0;
  bool is_draining_ = false;  // the last push has been made
  std::vector<std::unique_ptr<Writer>> writers_;
  Fleet fleet_;
  Schedule schedule_;
};

void Notify::on_all_decided() {
  if (fleet_.given_up() > 0) {
    run().report.add_failure(fmt::format("{} listeners could not be opened", fleet_.given_up()));
    return finish();
  }
  begin_phase("pushing", options_.seconds);
  schedule_.start(options_.pushes_per_s, options_.seconds, [this] {
    is_draining_ = true;
    begin_phase("the last answers and notices");
    end_if_settled();
  });
}

void Notify::push_next() {
  const size_t user = pushes_++ % options_.users;
  const uint64_t push = ledger_.begin(user, schedule_.due_ns());
  if (writers_[user]->push(push, NoticeLedger::table_of(push))) return;
  ledger_.on_refused(push);
  ++refused_;
  run().report.add_error("not sent: the answers before it did not come");
}

void Notify::on_push_answered(uint64_t push, int status) {
  if (status == 200) {
    ledger_.on_answered(push, now_ns());
  } else {
    ledger_.on_refused(push);
    ++refused_;
    run().report.add_error(fmt::format("push answered {}", status));
  }
  end_if_settled();
}

void Notify::on_tables(size_t listener, std::span<const std::string_view> tables) {
  ++notices_;
  const size_t user = listener % options_.users;
  for (const std::string_view table : tables) {
    ledger_.on_told(user, listener / options_.users, table, now_ns());
  }
  end_if_settled();
}

void Notify::end_if_settled() {
  if (is_draining_ && ledger_.is_settled()) finish();
}

void Notify::write_report() {
  Report& report = run().report;
  const auto& latencies = ledger_.latencies();
  report.add_figure("users", static_cast<double>(options_.users));
  report.add_figure("listeners", static_cast<double>(fleet_.size()));
  report.add_figure("pushes", static_cast<double>(pushes_));
  report.add_figure("pushes refused", static_cast<double>(refused_));
  report.add_figure("notices", static_cast<double>(notices_));
  report.add_figure("notices missed", static_cast<double>(ledger_.missed()));
  report.add_latency("request to answer", latencies.request_to_answer);
  report.add_latency("answer to first listener", latencies.answer_to_first);
  report.add_latency("answer to last listener", latencies.answer_to_last);
  report.add_latency("request to first listener", latencies.request_to_first);
  report.add_latency("request to last listener", latencies.request_to_last);
  if (ledger_.missed() > 0) {
    report.add_failure(fmt::format("{} notices were missed", ledger_.missed()));
  }
  if (ledger_.astray() > 0) {
    report.add_failure(
        fmt::format("{} notices went to whom they do not concern", ledger_.astray()));
  }
  if (refused_ > 0) report.add_failure(fmt::format("{} pushes were refused", refused_));
}

}  // namespace

std::unique_ptr<Scenario> make_notify(RunContext& run, const NotifyOptions& options) {
  return std::make_unique<Notify>(run, options);
}

}  // namespace mana_sync::loadgen
