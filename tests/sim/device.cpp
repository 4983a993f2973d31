#include "device.h"

#include <fmt/format.h>

#include <algorithm>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::sim {
namespace {

constexpr std::string_view kDeletedAt = "deletedAt";
// The channel of pushes and of pulls of all tables; others have the name of a table.
constexpr std::string_view kAllTables = "*";
constexpr size_t kLargeValueBytes = 700'000;

std::string change_json(const CellId& record, std::string_view op, std::string_view rest) {
  return fmt::format(R"({{"table":"{}","id":"{}","op":"{}"{}}})", record.table, record.record, op,
                     rest);
}

CellId cell_of(const CellId& record, std::string_view field) {
  return {record.table, record.record, std::string(field)};
}

}  // namespace

Device::Device(Options options, const Knobs& knobs, Dice& dice, EditLog& log)
    : options_(std::move(options)), knobs_(knobs), dice_(dice), log_(log) {}

// --- Its user

int64_t Device::now_ms(int64_t true_us) const {
  const int64_t now = true_us / 1000 + options_.skew_ms;
  return now - now % knobs_.time_grain_ms;
}

std::string Device::any_table() {
  return std::string("t") +
         static_cast<char>('0' + dice_.below(static_cast<size_t>(knobs_.tables)));
}

std::string Device::any_field() {
  static const std::vector<std::string> kFields = {"f", "a.b c", "updatedAt"};
  return kFields[dice_.below(static_cast<size_t>(knobs_.fields))];
}

// Mostly one that nobody else writes, so that it is known whose it is.
std::string Device::any_value() {
  static const std::vector<std::string> kShared = {
      "1", "1.0", "null", "\"same\"", R"({"b":1,"aa":[true,2]})", R"({"aa":[true,2],"b":1})"};
  if (dice_.one_in(6)) return dice_.pick(kShared);
  std::string value = fmt::format("\"{}-{}", options_.client_id, ++values_made_);
  if (dice_.percent(knobs_.large_values)) value.append(kLargeValueBytes, 'x');
  return value + '"';
}

// Now, or a time that the cell has already: of two devices, or of two edits here.
int64_t Device::edit_time(const CellId& cell, int64_t now) {
  const auto record = table_.find({cell.table, cell.record});
  if (record == table_.end()) return now;
  const auto local = record->second.find(cell.field);
  if (local == record->second.end() || !dice_.percent(knobs_.equal_time)) return now;
  return local->second.time_ms;
}

size_t Device::make_edit(const CellId& cell, const std::string& value,
                         std::optional<int64_t> time_ms, int64_t now) {
  table_[{cell.table, cell.record}][cell.field] = {canonical(value), time_ms.value_or(now),
                                                   !time_ms.has_value()};
  log_.push_back({.stream = options_.stream,
                  .client_id = options_.client_id,
                  .cell = cell,
                  .value = canonical(value),
                  .time_ms = time_ms,
                  .acknowledged_at_us = std::nullopt});
  return log_.size() - 1;
}

std::string Device::edit(int64_t true_us) {
  const int64_t now = now_ms(true_us);
  local_now_ms_ = now;
  CellId record{
      any_table(), fmt::format("r{}", dice_.below(static_cast<size_t>(knobs_.records))), {}};
  const auto known = table_.find({record.table, record.record});
  if (known == table_.end()) {
    std::string line = insert(record, now);
    // "Create, then type" (PROTOCOL 5.8).
    if (dice_.one_in(2)) line += " | " + update(record, now + dice_.between(0, 1));
    return line;
  }
  const auto deleted = known->second.find(std::string(kDeletedAt));
  const bool is_deleted = deleted != known->second.end() && deleted->second.value != "null";
  if (is_deleted && dice_.percent(30)) return undelete(record, now);
  if (dice_.percent(knobs_.deletes)) return erase(record, now);
  return update(record, now);
}

std::string Device::insert(const CellId& record, int64_t now) {
  Fields fields;
  for (int64_t i = dice_.between(0, knobs_.fields); i > 0; --i) {
    const std::string field = any_field();
    if (field == "updatedAt") continue;
    std::erase_if(fields, [&](const auto& other) { return other.first == field; });
    fields.push_back({field, any_value()});
  }
  std::optional<int64_t> time_ms = now;
  if (dice_.percent(knobs_.timeless_insert)) {
    time_ms.reset();
    if (dice_.one_in(8)) fields.push_back({"updatedAt", "null"});  // counts as missing
  } else if (dice_.one_in(2)) {
    fields.push_back({"createdAt", quoted_time(now)});
  } else {
    fields.push_back({"updatedAt", quoted_time(now)});
    if (dice_.one_in(2)) fields.push_back({"createdAt", quoted_time(now - 5)});
  }
  table_[{record.table, record.record}];
  std::string data = fmt::format(R"("id":"{}")", record.record);
  std::vector<size_t> edits;
  for (const auto& [field, value] : fields) {
    data += fmt::format(",\"{}\":{}", field, value);
    edits.push_back(make_edit(cell_of(record, field), value, time_ms, now));
    log_.back().is_insert = true;
  }
  std::string json = change_json(record, "insert", fmt::format(",\"data\":{{{}}}", data));
  std::string line = json.substr(0, 300);
  enqueue(std::move(json), std::move(edits));
  return line;
}

std::string Device::update(const CellId& record, int64_t now) {
  std::string json;
  std::vector<size_t> edits;
  std::vector<std::string> seen;
  for (int64_t i = dice_.between(1, 2); i > 0; --i) {
    const std::string field = any_field();
    if (std::ranges::count(seen, field) > 0) continue;
    seen.push_back(field);
    const CellId cell = cell_of(record, field);
    const std::string value = any_value();
    std::optional<int64_t> time_ms = edit_time(cell, now);
    if (dice_.percent(knobs_.timeless_update)) time_ms.reset();
    edits.push_back(make_edit(cell, value, time_ms, now));
    json += fmt::format("{}\"{}\":{{\"value\":{}", json.empty() ? "" : ",", field, value);
    if (time_ms) {
      json +=
          fmt::format(",\"{}\":{}", dice_.one_in(2) ? "at" : "updatedAt", quoted_time(*time_ms));
    }
    json += '}';
  }
  json = change_json(record, "update", fmt::format(",\"fields\":{{{}}}", json));
  std::string line = json.substr(0, 300);
  enqueue(std::move(json), std::move(edits));
  return line;
}

std::string Device::erase(const CellId& record, int64_t now) {
  const CellId cell = cell_of(record, kDeletedAt);
  std::optional<int64_t> time_ms = edit_time(cell, now);
  if (dice_.percent(knobs_.timeless_delete)) time_ms.reset();
  const size_t edit = make_edit(cell, quoted_time(time_ms.value_or(now)), time_ms, now);
  log_[edit].is_delete = true;
  std::string json = change_json(
      record, "delete", time_ms ? fmt::format(",\"deletedAt\":{}", quoted_time(*time_ms)) : "");
  enqueue(json, {edit});
  return json;
}

std::string Device::undelete(const CellId& record, int64_t now) {
  const CellId cell = cell_of(record, kDeletedAt);
  const size_t edit = make_edit(cell, "null", now, now);
  std::string json =
      change_json(record, "update",
                  fmt::format(R"(,"fields":{{"deletedAt":{{"value":null,"updatedAt":{}}}}})",
                              quoted_time(now)));
  enqueue(json, {edit});
  return json;
}

void Device::type(const CellId& cell, const std::string& value, std::optional<int64_t> time_ms,
                  int64_t now_ms) {
  const size_t edit = make_edit(cell, value, time_ms, now_ms);
  const std::string time = time_ms ? fmt::format(",\"at\":{}", quoted_time(*time_ms)) : "";
  enqueue(
      change_json(cell, "update",
                  fmt::format(R"(,"fields":{{"{}":{{"value":{}{}}}}})", cell.field, value, time)),
      {edit});
}

void Device::create(const CellId& cell, const std::string& value, int64_t now_ms) {
  const size_t edit = make_edit(cell, value, std::nullopt, now_ms);
  log_[edit].is_insert = true;
  enqueue(
      change_json(cell, "insert",
                  fmt::format(R"(,"data":{{"id":"{}","{}":{}}})", cell.record, cell.field, value)),
      {edit});
}

// --- Requests

std::vector<std::string> Device::pull_channels() const {
  std::vector<std::string> channels = {std::string(kAllTables)};
  if (!options_.cursor_per_table) return channels;
  for (int64_t i = 0; i < knobs_.tables; ++i) channels.push_back(fmt::format("t{}", i));
  return channels;
}

bool Device::is_complete() const {
  return std::ranges::all_of(
      pull_channels(), [&](const std::string& channel) { return complete_.contains(channel); });
}

std::optional<DeviceRequest> Device::next_request(bool eager) {
  // After a lost database, its own changes come before the cursor moves past them.
  const std::string push_channel(kAllTables);
  const bool may_push = !outbox_.empty() && echoing_.empty() && !waiting_.contains(push_channel);
  if (may_push && (eager || dice_.one_in(2))) {
    waiting_[push_channel] = true;
    return make_push(push_channel);
  }
  std::vector<std::string> free;
  for (const std::string& channel : pull_channels()) {
    if (waiting_.contains(channel) || (eager && complete_.contains(channel))) continue;
    free.push_back(channel);
  }
  if (free.empty()) return std::nullopt;
  const std::string channel = dice_.pick(free);
  waiting_[channel] = true;
  return make_pull(channel);
}

DeviceRequest Device::make_push(const std::string& channel) {
  DeviceRequest request{.channel = channel, .is_push = true, .since_us = cursors_[channel]};
  const size_t least = std::max<size_t>(repeat_at_least_, 1);
  request.outbox_changes = least + dice_.below(outbox_.size() - least + 1);
  const std::string since = request.since_us == 0 ? "" : format_cursor_us(request.since_us);
  request.body =
      fmt::format(R"({{"clientId":"{}","since":"{}","changes":[)", options_.client_id, since);
  for (size_t i = 0; i < request.outbox_changes; ++i) {
    if (i > 0) request.body += ',';
    request.body += outbox_[i].json;
    request.edits.insert(request.edits.end(), outbox_[i].edits.begin(), outbox_[i].edits.end());
  }
  request.body += "]}";
  return request;
}

DeviceRequest Device::make_pull(const std::string& channel) {
  DeviceRequest request{.channel = channel, .since_us = cursors_[channel]};
  if (channel != kAllTables) request.tables = {channel};
  if (!options_.client_id.empty() && !echoing_.contains(channel)) {
    request.exclude_client = options_.client_id;
  }
  request.changes_max = 1 + dice_.below(static_cast<size_t>(knobs_.page_changes));
  return request;
}

void Device::on_answer(const DeviceRequest& request, const WireAnswer& answer) {
  waiting_.erase(request.channel);
  for (const SentChange& change : answer.changes) apply(change);
  cursors_[request.channel] = answer.synced_until_us;
  if (request.is_push) {
    outbox_.erase(outbox_.begin(),
                  outbox_.begin() + static_cast<std::ptrdiff_t>(request.outbox_changes));
    repeat_at_least_ = 0;
  } else if (!answer.has_more) {
    complete_[request.channel] = true;
    echoing_.erase(request.channel);
  }
}

void Device::on_no_answer(const DeviceRequest& request) {
  waiting_.erase(request.channel);
  if (request.is_push) repeat_at_least_ = request.outbox_changes;
}

// --- What the server sends

void Device::apply(const SentChange& change) {
  const auto [known, is_new] = table_.try_emplace({change.table, change.record});
  const bool plain_put = is_new && change.op == sync::Op::kInsert;
  for (const SentField& field : change.fields) {
    const int64_t time_ms = field.time_ms.value_or(local_now_ms_);
    const auto [local, is_empty] = known->second.try_emplace(field.name);
    if (!is_empty && !plain_put && time_ms < local->second.time_ms) continue;
    local->second = {field.value, time_ms, false};
  }
}

void Device::lose_database(std::optional<std::string> new_client_id) {
  table_.clear();
  outbox_.clear();
  cursors_.clear();
  complete_.clear();
  waiting_.clear();
  echoing_.clear();
  repeat_at_least_ = 0;
  if (new_client_id) {
    options_.client_id = std::move(*new_client_id);
  } else {
    for (const std::string& channel : pull_channels()) echoing_[channel] = true;
  }
}

}  // namespace mana_sync::sim
