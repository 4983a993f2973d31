#include "world.h"

#include <algorithm>

#include "checks.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sim {
namespace {

constexpr int64_t kBeginUs = 1'704'110'400'000'000;  // 2024-01-01T12:00:00Z
constexpr int64_t kLongPauseUs = 45'000'000;         // longer than any deadline
constexpr int64_t kOfflineUsMax = 20'000'000;
constexpr int64_t kLapsedStepsMax = 40;
// Rounds of settling, each of which gets every request an answer: more is a hang.
constexpr int kSettleRoundsMax = 10'000;

Knobs knobs_of(Dice& dice, Dice& socket_dice, const RunOptions& options) {
  Knobs knobs = Knobs::of(dice, socket_dice);
  for (const auto& [name, value] : options.knobs) {
    for (const NamedKnob& knob : named_knobs()) {
      if (knob.name == name) knobs.*knob.value = value;
    }
  }
  knobs.keep_bounds();
  return knobs;
}

}  // namespace

RunCounts& RunCounts::operator+=(const RunCounts& other) {
  edits += other.edits;
  answers += other.answers;
  conflicts += other.conflicts;
  corrections += other.corrections;
  restated += other.restated;
  notices += other.notices;
  compared_cells += other.compared_cells;
  exempt_cells += other.exempt_cells;
  return *this;
}

RunResult run_world(uint64_t seed, const RunOptions& options) {
  return World(seed, options).run();
}

World::World(uint64_t seed, const RunOptions& options)
    : seed_(seed),
      dice_(seed),
      socket_dice_(~seed),
      knobs_(knobs_of(dice_, socket_dice_, options)),
      journal_(options.print_trace),
      clock_(kBeginUs),
      true_us_(kBeginUs),
      store_(knobs_, clock_, dice_, journal_),
      sockets_(knobs_, socket_dice_, store_, journal_) {
  journal_.trace("seed {}: {}", seed, knobs_.text());
  set_server_skew();
  for (int64_t stream = 0; stream < knobs_.streams; ++stream) {
    for (int64_t i = 0; i <= knobs_.devices; ++i) {
      // The last one only looks, without a client id.
      std::string client = i < knobs_.devices ? fmt::format("d{}", next_client_++) : "";
      devices_.push_back(std::make_unique<Device>(
          Device::Options{.stream = static_cast<size_t>(stream),
                          .client_id = std::move(client),
                          .cursor_per_table = dice_.percent(knobs_.per_table_percent),
                          .skew_ms = dice_.between(-knobs_.device_skew_ms, knobs_.device_skew_ms)},
          knobs_, dice_, edits_));
    }
  }
  offline_until_us_.resize(devices_.size());
  acknowledged_us_.resize(static_cast<size_t>(knobs_.streams));
  start_server();
}

World::~World() {
  engine_.reset();
  store_.crash();
}

RunResult World::run() {
  for (int64_t i = 0; i < knobs_.steps && !journal_.failure(); ++i) step();
  if (!journal_.failure()) settle();
  RunResult result{.seed = seed_, .failure = std::nullopt, .knobs = knobs_.text()};
  RunCounts& counts = result.counts;
  counts.edits = edits_.size();
  counts.answers = answers_.size();
  for (const LoggedAnswer& answer : answers_) counts.conflicts += answer.answer.conflicts.size();
  if (!journal_.failure()) check(counts);
  result.failure = journal_.failure();
  counts.notices = sockets_.notices();
  result.trace_hash = journal_.hash();
  return result;
}

// --- A step

void World::step() {
  pass_time();
  make_trouble();
  const size_t device = dice_.below(devices_.size());
  switch (dice_.below(10)) {
    case 0:
    case 1:
    case 2:
      act(device);
      break;
    case 3:
    case 4:
      deliver_any(Request::State::kToServer);
      break;
    case 5:
    case 6:
      deliver_any(Request::State::kToDevice);
      break;
    default:
      store_.advance();
      break;
  }
  move_sockets();
  if (dice_.percent(knobs_.tick_percent)) end_tick();
}

void World::move_sockets() {
  std::vector<Sockets::Client> clients;
  for (const auto& device : devices_) clients.push_back({device->stream(), device->client_id()});
  sockets_.act(*engine_, clients);
}

// In the server's order (docs/ARCHITECTURE.md, "A tick").
void World::end_tick() {
  sockets_.drain(*engine_);
  engine_->run();
}

void World::pass_time() {
  int64_t us = dice_.between(0, knobs_.pace_us);
  if (per_mille(knobs_.long_pause)) us = kLongPauseUs;
  true_us_ += us;
  clock_.advance_us(us);
  store_.expire();
  if (per_mille(knobs_.lease_lapse)) {
    lapsed_steps_ = dice_.between(1, kLapsedStepsMax);
    journal_.trace("the lease is not renewed for {} steps", lapsed_steps_);
    true_us_ += limits::kLeaseAheadUs;
    clock_.advance_us(limits::kLeaseAheadUs);
  }
  if (lapsed_steps_ > 0) {
    --lapsed_steps_;
  } else if (high_water_us_ - clock_.wall_us() < limits::kLeaseAheadUs / 2) {
    renew_lease();
  }
}

void World::make_trouble() {
  if (per_mille(knobs_.crash)) crash_server();
  if (per_mille(knobs_.server_jump)) set_server_skew();
  if (per_mille(knobs_.poison)) push_poison();
  const size_t index = dice_.below(devices_.size());
  Device& device = *devices_[index];
  if (per_mille(knobs_.impatience)) abandon(index);
  if (per_mille(knobs_.device_jump)) {
    device.set_skew_ms(dice_.between(-knobs_.device_skew_ms, knobs_.device_skew_ms));
  }
  if (per_mille(knobs_.offline)) {
    abandon(index);
    offline_until_us_[index] = true_us_ + dice_.between(0, kOfflineUsMax);
  }
  if (device.client_id().empty()) return;
  if (per_mille(knobs_.reinstall)) {
    abandon(index);
    device.lose_database(fmt::format("d{}", next_client_++));
    journal_.trace("device {} begins again as {}", index, device.client_id());
  } else if (per_mille(knobs_.database_lost) && !is_in_flight(index)) {
    journal_.trace("device {} loses its database", index);
    device.lose_database(std::nullopt);
  }
}

void World::act(size_t index) {
  Device& device = *devices_[index];
  if (device.may_edit() && dice_.percent(knobs_.edit_percent)) {
    journal_.trace("device {} {}: {}", index, device.client_id(), device.edit(true_us_));
    return;
  }
  if (offline_until_us_[index] > true_us_) return;
  if (auto what = device.next_request(false)) send(index, std::move(*what));
}

void World::deliver_any(Request::State state) {
  std::vector<size_t> ids;
  for (const auto& request : requests_) {
    if (request->state == state) ids.push_back(request->id);
  }
  if (ids.empty()) return;
  const size_t id = dice_.pick(ids);
  state == Request::State::kToServer ? arrive(*find(id)) : return_answer(id);
}

// --- A request's way

void World::send(size_t device, DeviceRequest what) {
  auto request = std::make_unique<Request>();
  request->id = next_request_id_++;
  request->device = device;
  request->what = std::move(what);
  journal_.trace("request {} of device {}: {} {} since {} {}", request->id, device,
                 request->what.is_push ? "push" : "pull", request->what.channel,
                 request->what.since_us, request->what.outbox_changes);
  requests_.push_back(std::move(request));
}

void World::arrive(Request& request) {
  if (!settling_ && per_mille(knobs_.request_lost)) {
    journal_.trace("request {} is lost", request.id);
    devices_[request.device]->on_no_answer(request.what);
    return forget(request.id);
  }
  const Device& device = *devices_[request.device];
  request.state = Request::State::kAtServer;
  AnsweredRequest& checked = request.checked;
  checked = {.stream = device.stream(),
             .is_push = request.what.is_push,
             .since_us = request.what.since_us,
             .tables = request.what.tables,
             .exclude_client = request.what.exclude_client,
             .changes_max = request.what.changes_max,
             .edits = request.what.edits,
             .acknowledged_us = acknowledged_us_[device.stream()],
             .arrived_after_us = engine_->last_stamp_us(),
             .high_water_us = high_water_us_};
  for (const size_t index : checked.edits) {
    MadeEdit& edit = edits_[index];
    if (!edit.was_sent) edit.sent_after_us = engine_->last_stamp_us();
    edit.was_sent = true;
    const int64_t bound_ms =
        receipt_time_ms(engine_->last_stamp_us()) + limits::kClockSkewMsDefault;
    if (knobs_.out_of_bounds != 0 && edit.time_ms > bound_ms) edit.out_of_bounds = true;
  }
  const size_t id = request.id;
  journal_.trace("request {} arrives", id);
  sync::AnswerCallback done = [this, id](Result<GatheredText> result) {
    on_engine_answer(id, std::move(result));
  };
  const sync::StreamName stream = stream_name(device.stream());
  if (checked.is_push) {
    checked.exclude_client = device.client_id();
    engine_->push({.stream = stream, .client_id = std::nullopt, .body = request.what.body},
                  std::move(done));
  } else {
    engine_->pull({.stream = stream,
                   .tables = checked.tables,
                   .since_us = checked.since_us,
                   .exclude_client = checked.exclude_client,
                   .changes_max = checked.changes_max},
                  std::move(done));
  }
}

void World::on_engine_answer(size_t id, Result<GatheredText> result) {
  Request& request = *find(id);
  request.state = Request::State::kToDevice;
  if (!result) {
    journal_.trace("request {} is refused: {}", id, result.error().message);
    if (result.error().code != ErrorCode::kUnavailable) {
      journal_.fail("request {}: {}", id, result.error().message);
    }
    return;
  }
  std::string why;
  const std::string body = result->str();
  request.answer = read_answer(body, why);
  if (!request.answer) return journal_.fail("request {}: {}", id, why);
  std::string shown;
  for (const SentChange& change : request.answer->changes) {
    shown += fmt::format(" {}/{}", change.table, change.record);
    for (const SentField& field : change.fields) {
      shown += fmt::format(" {}={}@{}", field.name, field.value.substr(0, 40),
                           field.time_ms.value_or(0));
    }
  }
  journal_.trace("request {} is answered: until {}{} [{} ] {} conflicts", id,
                 request.answer->synced_until_us, request.answer->has_more ? " and more" : "",
                 shown, request.answer->conflicts.size());
  request.checked.answered_at_us = engine_->last_stamp_us();
  answers_.push_back({request.checked, *request.answer});
  if (request.checked.is_push) acknowledge(request);
}

void World::acknowledge(Request& request) {
  const auto& rows = store_.rows_of(stream_name(request.checked.stream));
  for (const size_t index : request.checked.edits) {
    auto& at_us = edits_[index].acknowledged_at_us;
    if (!at_us) at_us = request.checked.answered_at_us;
  }
  // What is stored and at or below the answer's cursor is no secret any more.
  for (size_t i = rows.size(); i-- > 0;) {
    if (rows[i].stamp_us > request.answer->synced_until_us) continue;
    int64_t& newest = acknowledged_us_[request.checked.stream];
    newest = std::max(newest, rows[i].stamp_us);
    break;
  }
}

void World::return_answer(size_t id) {
  Request& request = *find(id);
  Device& device = *devices_[request.device];
  const bool is_lost = !request.answer || (!settling_ && per_mille(knobs_.answer_lost));
  journal_.trace("request {} returns{}{}", id, is_lost ? ", lost" : "",
                 request.abandoned ? ", abandoned" : "");
  if (!request.abandoned) {
    is_lost ? device.on_no_answer(request.what) : device.on_answer(request.what, *request.answer);
  }
  forget(id);
}

// The device does not wait any longer. What has not arrived never will; what has, goes its way.
void World::abandon(size_t device) {
  for (size_t i = requests_.size(); i-- > 0;) {
    Request& request = *requests_[i];
    if (request.device != device || request.abandoned) continue;
    journal_.trace("request {} is abandoned", request.id);
    request.abandoned = true;
    devices_[device]->on_no_answer(request.what);
    if (request.state == Request::State::kToServer) forget(request.id);
  }
}

bool World::is_in_flight(size_t device) const {
  return store_.is_in_limbo(stream_name(devices_[device]->stream())) ||
         std::ranges::any_of(requests_,
                             [&](const auto& request) { return request->device == device; });
}

World::Request* World::find(size_t id) {
  const auto found = std::ranges::find(requests_, id, [](const auto& one) { return one->id; });
  MANA_CHECK(found != requests_.end());
  return found->get();
}

void World::forget(size_t id) {
  std::erase_if(requests_, [id](const auto& request) { return request->id == id; });
}

// --- The server

void World::start_server() {
  metrics_ = std::make_unique<Metrics>();
  engine_ = std::make_unique<sync::Engine>(
      sync::EngineOptions{.cache_bytes_max = static_cast<size_t>(knobs_.cache_bytes),
                          .merge = {.clock_skew_ms_max = limits::kClockSkewMsDefault}},
      clock_, store_, *metrics_);
  floor_us_ = high_water_us_;
  high_water_us_ = std::max(clock_.wall_us(), floor_us_) + limits::kLeaseAheadUs;
  engine_->grant(floor_us_, high_water_us_);
}

void World::crash_server() {
  journal_.trace("the server dies");
  store_.crash();
  engine_.reset();
  sockets_.cut();
  for (size_t i = requests_.size(); i-- > 0;) {
    Request& request = *requests_[i];
    if (request.state != Request::State::kAtServer) continue;
    if (!request.abandoned) devices_[request.device]->on_no_answer(request.what);
    forget(request.id);
  }
  start_server();
}

void World::renew_lease() {
  high_water_us_ = std::max(
      high_water_us_, std::max(clock_.wall_us(), engine_->last_stamp_us()) + limits::kLeaseAheadUs);
  engine_->grant(floor_us_, high_water_us_);
}

void World::set_server_skew() {
  server_skew_us_ = dice_.between(-knobs_.server_skew_ms, knobs_.server_skew_ms) * 1'000;
  journal_.trace("the server's clock is {} us ahead", server_skew_us_);
  clock_.set_wall_us(true_us_ + server_skew_us_);
}

// A push that PostgreSQL refuses, on a record of its own. Nobody but it may notice.
void World::push_poison() {
  const size_t stream = dice_.below(static_cast<size_t>(knobs_.streams));
  journal_.trace("a push to stream {} that the store refuses", stream);
  std::string body = fmt::format(
      R"({{"clientId":"poisoner","changes":[)"
      R"({{"table":"t0","id":"poisoned","op":"update","fields":{{"f":{{"value":{}}}}}}},)"
      R"({{"table":"t0","id":"poisoned","op":"update","fields":{{"g":{{"value":{}}}}}}}]}})",
      ++poison_pushes_, kPoison);
  engine_->push({.stream = stream_name(stream), .client_id = std::nullopt, .body = std::move(body)},
                [this](Result<GatheredText> result) {
                  if (result) journal_.fail("2.1: a push that the store refused was answered 200");
                });
}

}  // namespace mana_sync::sim
