#include "stage.h"

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sim {
namespace {

constexpr int64_t kBeginUs = Stage::kBeginMs * 1'000;
constexpr int64_t kLeaseUs = 3'600'000'000;
const sync::StreamName kStream{"user", "app"};

Knobs stage_knobs() {
  Knobs knobs;
  knobs.page_changes = 1'000;
  return knobs;
}

}  // namespace

Stage::Stage() : knobs_(stage_knobs()), clock_(kBeginUs), store_(knobs_, clock_, dice_, journal_) {
  start_server();
}

Stage::~Stage() {
  engine_.reset();
  store_.crash();
}

void Stage::start_server() {
  metrics_ = std::make_unique<Metrics>();
  engine_ = std::make_unique<sync::Engine>(
      sync::EngineOptions{.cache_bytes_max = 1 << 20,
                          .merge = {.clock_skew_ms_max = limits::kClockSkewMsDefault}},
      clock_, store_, *metrics_);
  engine_->grant(high_water_us_, clock_.wall_us() + kLeaseUs);
}

void Stage::restart_server() {
  high_water_us_ = engine_->last_stamp_us();
  engine_.reset();
  store_.crash();
  start_server();
}

Device& Stage::device(const std::string& client_id) {
  auto& device = devices_[client_id];
  if (!device) {
    device =
        std::make_unique<Device>(Device::Options{.client_id = client_id}, knobs_, dice_, edits_);
  }
  return *device;
}

void Stage::types(const std::string& client_id, const std::string& value, int64_t ms) {
  device(client_id).type(cell_, '"' + value + '"', kBeginMs + ms, kBeginMs + ms);
}

void Stage::types_without_time(const std::string& client_id, const std::string& value, int64_t ms) {
  device(client_id).type(cell_, '"' + value + '"', std::nullopt, kBeginMs + ms);
}

void Stage::creates_without_time(const std::string& client_id, const std::string& value,
                                 int64_t ms) {
  device(client_id).create(cell_, '"' + value + '"', kBeginMs + ms);
}

std::shared_ptr<Stage::Sent> Stage::sends(const std::string& client_id) {
  auto request = device(client_id).next_request(true);
  MANA_CHECK(request.has_value());
  auto sent = std::make_shared<Sent>(std::move(*request), std::nullopt);
  sync::AnswerCallback done = [sent](Result<GatheredText> result) {
    std::string why;
    if (result) sent->answer = read_answer(result->str(), why);
  };
  const DeviceRequest& what = sent->request;
  if (what.is_push) {
    engine_->push({.stream = kStream, .client_id = std::nullopt, .body = what.body},
                  std::move(done));
  } else {
    engine_->pull({.stream = kStream,
                   .tables = what.tables,
                   .since_us = what.since_us,
                   .exclude_client = what.exclude_client,
                   .changes_max = what.changes_max},
                  std::move(done));
  }
  engine_->run();
  return sent;
}

void Stage::gets_answer(const std::string& client_id, const std::shared_ptr<Sent>& sent) {
  MANA_CHECK(sent->answer.has_value());
  device(client_id).on_answer(sent->request, *sent->answer);
}

void Stage::loses_answer(const std::string& client_id, const std::shared_ptr<Sent>& sent) {
  device(client_id).on_no_answer(sent->request);
}

void Stage::syncs(const std::string& client_id) {
  device(client_id).expect_news();
  while (device(client_id).outbox_size() > 0 || !device(client_id).is_complete()) {
    const auto sent = sends(client_id);
    settle();
    gets_answer(client_id, sent);
  }
}

void Stage::settle() {
  do {
    engine_->run();
    store_.advance();
  } while (!store_.is_idle() || engine_->waiting_pushes() > 0);
}

void Stage::settle_but_oldest_call() {
  do {
    engine_->run();
    if (store_.calls() > 1) store_.advance(1);
  } while (store_.calls() > 1);
}

void Stage::oldest_call_happens() {
  MANA_CHECK(store_.calls() > 0);
  store_.advance(0);
}

std::string Stage::seen_by(const std::string& client_id) {
  const auto& table = device(client_id).table();
  const auto record = table.find({cell_.table, cell_.record});
  if (record == table.end()) return "";
  const auto local = record->second.find(cell_.field);
  return local == record->second.end() ? "" : local->second.value;
}

}  // namespace mana_sync::sim
