#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "filler.h"
#include "http_connection.h"
#include "load_scenarios.h"
#include "server_answer.h"

namespace mana_sync::loadgen {
namespace {

constexpr size_t kPageChangesMax = 1'000;  // PROTOCOL 3.2

// What the pages of one user must hold.
struct Expected {
  std::string cursor;
  uint64_t first;  // number of the first change
  size_t changes;  // of a page that is not cut by its bytes
  bool has_more;
};

// What is wrong with an answer; empty: nothing.
std::string_view judge(const ServerAnswer& answer, const Expected& expected) {
  // PROTOCOL 3.2: a page may also end at 4 MiB.
  const bool is_cut = answer.has_more && !answer.changes.empty();
  if (answer.changes.size() != expected.changes && !is_cut) return "a page is not complete";
  if (answer.changes.size() == expected.changes && answer.has_more != expected.has_more) {
    return "hasMore is wrong";
  }
  for (size_t i = 0; i < answer.changes.size(); ++i) {
    if (answer.changes[i].number != expected.first + i) return "a page is not what was pushed";
  }
  return {};
}

class Puller final : private HttpEvents {
 public:
  using OnWrong = std::function<void(std::string_view what)>;

  Puller(RunContext& run, Driver& driver, size_t number, OnWrong on_wrong)
      : run_(run),
        driver_(driver),
        number_(number),
        on_wrong_(std::move(on_wrong)),
        connection_(run.network, *this) {}

  void prepare(const PullOptions& options, const Expected& expected);
  void pull(int64_t due_ns) {
    due_ns_ = due_ns;
    connection_.send(request_);
  }

 private:
  void on_answer(int status, std::string_view body) override;

  RunContext& run_;
  Driver& driver_;
  const size_t number_;
  const OnWrong on_wrong_;
  std::string request_;
  Expected expected_;
  int64_t due_ns_ = 0;
  HttpConnection connection_;
};

void Puller::prepare(const PullOptions& options, const Expected& expected) {
  expected_ = expected;
  std::string target = fmt::format("/sync/{}/pull?collection={}&since={}", run_.options.app,
                                   options.table, expected.cursor);
  if (options.limit > 0) target += fmt::format("&limit={}", options.limit);
  const std::string& token = run_.tokens[number_ % run_.tokens.size()];
  request_ = get_request(run_.network.endpoint(), target,
                         client_headers(token, fmt::format("puller-{}", number_)));
}

void Puller::on_answer(int status, std::string_view body) {
  if (status == 200) {
    const auto answer = ServerAnswer::parse(run_.json, body);
    const std::string_view wrong = answer ? judge(*answer, expected_) : answer.error().message;
    if (!wrong.empty()) on_wrong_(wrong);
  }
  driver_.on_done(number_, Op::kPull, status, due_ns_, body);
}

class Pull final : public Scenario, private DriverEvents {
 public:
  Pull(RunContext& run, const PullOptions& options);

  void start() override;
  void write_report() override;

 private:
  void on_filled(std::string_view wrong);
  void begin_pulling();
  void start_request(size_t worker, int64_t due_ns) override { pullers_[worker]->pull(due_ns); }
  void on_run_ended() override { finish(); }

  const PullOptions options_;
  size_t filling_ = 0;  // users whose stream is not filled
  std::map<std::string, uint64_t, std::less<>> wrong_;
  Driver driver_;
  std::vector<std::unique_ptr<Filler>> fillers_;
  std::vector<std::unique_ptr<Puller>> pullers_;
};

Pull::Pull(RunContext& run, const PullOptions& options)
    : Scenario(run), options_(options), driver_(run, options.driver, *this) {
  for (size_t user = 0; user < run.tokens.size(); ++user) {
    fillers_.push_back(std::make_unique<Filler>(
        run, options_, user, [this](std::string_view wrong) { on_filled(wrong); }));
  }
  for (size_t i = 0; i < options.driver.workers; ++i) {
    pullers_.push_back(std::make_unique<Puller>(
        run, driver_, i, [this](std::string_view what) { ++wrong_[std::string(what)]; }));
  }
}

void Pull::start() {
  begin_phase("filling the streams");
  filling_ = fillers_.size();
  for (const auto& filler : fillers_) filler->start();
}

void Pull::on_filled(std::string_view wrong) {
  if (!wrong.empty()) {
    run().report.add_failure(fmt::format("a stream could not be filled: {}", wrong));
    return finish();
  }
  if (--filling_ == 0) begin_pulling();
}

void Pull::begin_pulling() {
  const size_t page =
      options_.limit > 0 ? std::min(options_.limit, kPageChangesMax) : kPageChangesMax;
  for (size_t i = 0; i < pullers_.size(); ++i) {
    const Filler& filler = *fillers_[i % fillers_.size()];
    pullers_[i]->prepare(options_, {filler.cursor(), filler.first_behind(),
                                    std::min(options_.behind, page), options_.behind > page});
  }
  begin_phase("pulling", options_.driver.seconds);
  driver_.start();
}

void Pull::write_report() {
  Report& report = run().report;
  report.add_figure("users", static_cast<double>(fillers_.size()));
  report.add_figure("changes behind the cursor", static_cast<double>(options_.behind));
  driver_.write_report();
  for (const auto& [what, count] : wrong_) {
    report.add_failure(fmt::format("{} ({} times)", what, count));
  }
}

}  // namespace

std::unique_ptr<Scenario> make_pull(RunContext& run, const PullOptions& options) {
  return std::make_unique<Pull>(run, options);
}

}  // namespace mana_sync::loadgen
