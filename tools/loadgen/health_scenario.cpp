#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http_connection.h"
#include "load_scenarios.h"

namespace mana_sync::loadgen {
namespace {

class Asker final : private HttpEvents {
 public:
  Asker(Network& network, Driver& driver, size_t number)
      : driver_(driver),
        number_(number),
        request_(get_request(network.endpoint(), "/health")),
        connection_(network, *this) {}

  void ask(int64_t due_ns) {
    due_ns_.push_back(due_ns);
    connection_.send(request_);
  }

 private:
  void on_answer(int status, std::string_view body) override {
    const int64_t due_ns = due_ns_.front();
    due_ns_.pop_front();
    driver_.on_done(number_, Op::kHealth, status, due_ns, body);
  }

  Driver& driver_;
  const size_t number_;
  const std::string request_;
  std::deque<int64_t> due_ns_;  // of the requests without an answer, oldest first
  HttpConnection connection_;
};

class Health final : public Scenario, private DriverEvents {
 public:
  Health(RunContext& run, const DriverOptions& options)
      : Scenario(run), seconds_(options.seconds), driver_(run, options, *this) {
    for (size_t i = 0; i < options.workers; ++i) {
      askers_.push_back(std::make_unique<Asker>(run.network, driver_, i));
    }
  }

  void start() override {
    begin_phase("asking", seconds_);
    driver_.start();
  }
  void write_report() override { driver_.write_report(); }

 private:
  void start_request(size_t worker, int64_t due_ns) override { askers_[worker]->ask(due_ns); }
  void on_run_ended() override { finish(); }

  const double seconds_;
  Driver driver_;
  std::vector<std::unique_ptr<Asker>> askers_;
};

}  // namespace

std::unique_ptr<Scenario> make_health(RunContext& run, const DriverOptions& options) {
  return std::make_unique<Health>(run, options);
}

}  // namespace mana_sync::loadgen
