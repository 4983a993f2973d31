#include "change_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {
namespace {

// How far back the times of edits of shared records lie, at most.
constexpr uint64_t kSharedBackMs = 5'000;

std::string record_id(uint64_t record) {
  return fmt::format("{}{}", ChangeMaker::kRecordPrefix, record);
}

}  // namespace

ChangeMaker::ChangeMaker(const PushShape& shape, std::string_view table, size_t device,
                         DeliveryLedger& ledger, SharedRecords& shared, std::mt19937_64& random)
    : shape_(shape),
      table_(table),
      device_(device),
      ledger_(ledger),
      shared_(shared),
      random_(random),
      text_('"' + std::string(shape.field_bytes, 'x') + '"') {}

ChangeMaker::Made ChangeMaker::make(int64_t now_ms, size_t changes) {
  Made made;
  made.json = "[";
  for (size_t i = 0; i < changes; ++i) {
    if (i > 0) made.json += ',';
    append_one(made, now_ms);
  }
  made.json += ']';
  return made;
}

void ChangeMaker::append_one(Made& made, int64_t now_ms) {
  const auto percent = [this] { return static_cast<int>(below(100)); };
  if (percent() < shape_.conflicts) return append_shared(made, now_ms);
  const std::string time = format_time_ms(now_ms);
  const int kind = percent();
  if (records_.empty() || kind >= shape_.updates + shape_.deletes) {
    append_insert(made, time);
  } else if (kind < shape_.updates) {
    append_update(made, time);
  } else {
    append_delete(made, time);
  }
}

void ChangeMaker::append_insert(Made& made, std::string_view time) {
  const uint64_t number = ledger_.add(device_);
  made.numbers.push_back(number);
  records_.push_back(number);
  const std::string id = record_id(number);
  append_head(made.json, id, "insert");
  const auto append = std::back_inserter(made.json);
  fmt::format_to(append, R"("data":{{"id":"{}","{}":{})", id, kNumberField, number);
  for (size_t i = 0; i < shape_.fields; ++i) fmt::format_to(append, R"(,"f{}":{})", i, text_);
  fmt::format_to(append, R"(,"createdAt":"{0}","updatedAt":"{0}"}}}})", time);
}

void ChangeMaker::append_update(Made& made, std::string_view time) {
  const uint64_t number = ledger_.add(device_);
  made.numbers.push_back(number);
  append_head(made.json, record_id(records_[below(records_.size())]), "update");
  made.json += R"("fields":{)";
  append_field(made.json, kNumberField, fmt::to_string(number), time);
  for (size_t i = 0; i < shape_.fields; ++i) {
    made.json += ',';
    append_field(made.json, fmt::format("f{}", i), text_, time);
  }
  made.json += "}}";
}

void ChangeMaker::append_delete(Made& made, std::string_view time) {
  std::swap(records_[below(records_.size())], records_.back());
  const uint64_t record = records_.back();
  records_.pop_back();
  made.numbers.push_back(ledger_.add_delete(device_, record));
  append_head(made.json, record_id(record), "delete");
  fmt::format_to(std::back_inserter(made.json), R"("deletedAt":"{}"}})", time);
}

void ChangeMaker::append_shared(Made& made, int64_t now_ms) {
  const std::string id = fmt::format("{}{}", kSharedPrefix, below(kSharedRecords));
  const std::string value = fmt::format("{}-{}", device_, shared_edits_++);
  const std::string time = format_time_ms(now_ms - static_cast<int64_t>(below(kSharedBackMs)));
  shared_.edit(id, value, time);
  append_head(made.json, id, "update");
  made.json += R"("fields":{)";
  append_field(made.json, kSharedField, '"' + value + '"', time);
  made.json += "}}";
}

void ChangeMaker::append_head(std::string& out, std::string_view id, std::string_view op) const {
  fmt::format_to(std::back_inserter(out), R"({{"table":"{}","id":"{}","op":"{}",)", table_, id, op);
}

void ChangeMaker::append_field(std::string& out, std::string_view name, std::string_view value,
                               std::string_view time) const {
  const auto append = std::back_inserter(out);
  fmt::format_to(append, R"("{}":{{"value":{})", name, value);
  if (shape_.edit_time != EditTime::kAt) fmt::format_to(append, R"(,"updatedAt":"{}")", time);
  if (shape_.edit_time != EditTime::kUpdatedAt) fmt::format_to(append, R"(,"at":"{}")", time);
  out += '}';
}

}  // namespace mana_sync::loadgen
