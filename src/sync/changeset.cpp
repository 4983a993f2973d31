#include "mana_sync/sync/changeset.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "json_tree.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

using Type = JsonTree::Type;
using Value = JsonTree::Value;

std::unexpected<Error> invalid(std::string_view place, std::string_view what) {
  return fail(ErrorCode::kInvalid, fmt::format("{}: {}", place, what));
}

// An optional string of bounded length (client id, origin, spaceId).
Result<std::optional<std::string_view>> optional_label(const Value& object, std::string_view name,
                                                       std::string_view place) {
  const std::optional<Value> member = object.member(name);
  if (!member) return std::nullopt;
  if (member->type() != Type::kString) {
    return invalid(fmt::format("{}{}", place, name), "must be a string");
  }
  const std::string_view text = member->string();
  if (text.size() > limits::kClientIdBytesMax) {
    return invalid(fmt::format("{}{}", place, name),
                   fmt::format("longer than {} bytes", limits::kClientIdBytesMax));
  }
  return text;
}

// `table` or `id`.
Result<std::string_view> required_name(const Value& change, std::string_view name,
                                       std::string_view place) {
  const auto refused = [&](std::string_view what) {
    return invalid(fmt::format("{}.{}", place, name), what);
  };
  const std::optional<Value> member = change.member(name);
  if (!member) return refused("is missing");
  if (member->type() != Type::kString) return refused("must be a string");
  const std::string_view text = member->string();
  if (text.empty()) return refused("must not be empty");
  if (text.size() > limits::kNameBytesMax) {
    return refused(fmt::format("longer than {} bytes", limits::kNameBytesMax));
  }
  return text;
}

Result<int> schema_version(const Value& object, std::string_view place) {
  const std::optional<Value> member = object.member("schemaVersion");
  if (!member) return 1;
  if (member->type() == Type::kNumber && member->text() == "1") return 1;
  return invalid(
      fmt::format("{}schemaVersion", place),
      fmt::format("must be a whole number from 1 to the maximum, {}", limits::kSchemaVersionMax));
}

// Reads a time that the protocol defines (not one in the app's own data) into `time_ms`, nullopt if
// it is absent. false: it is there and not RFC 3339.
bool read_edit_time(const std::optional<Value>& value, std::optional<int64_t>& time_ms) {
  time_ms.reset();
  if (!value) return true;
  if (value->type() == Type::kString) time_ms = parse_rfc3339_ms(value->string());
  return time_ms.has_value();
}
constexpr std::string_view kNoEditTime = "must be an RFC 3339 timestamp";

// A time in an insert's data: anything but an RFC 3339 string counts as missing (PROTOCOL 2.7).
std::optional<int64_t> data_time(const Value& data, std::string_view name) {
  const std::optional<Value> member = data.member(name);
  if (!member || member->type() != Type::kString) return std::nullopt;
  return parse_rfc3339_ms(member->string());
}

// Gathers edits so that of two for one field the last counts (PROTOCOL 2.10).
class EditList {
 public:
  void add(Edit edit) {
    const auto [found, added] = index_.try_emplace(edit.field, edits_.size());
    if (added) {
      edits_.push_back(edit);
    } else {
      edits_[found->second] = edit;
    }
  }
  std::vector<Edit> take() { return std::move(edits_); }

 private:
  std::vector<Edit> edits_;
  absl::flat_hash_map<std::string_view, size_t> index_;
};

Result<Edit> read_field(const Value& member, std::string_view place) {
  Edit edit{.field = member.key(), .value = "null", .value_hash = hash_of_null()};
  const auto refused = [&](std::string_view below, std::string_view what) {
    return invalid(fmt::format("{}.fields.{}{}", place, shown_name(edit.field), below), what);
  };
  if (member.is_null()) return edit;
  if (member.type() != Type::kObject) return refused("", "must be an object");
  if (const std::optional<Value> value = member.member("value")) {
    edit.value = value->text();
    edit.value_hash = value->hash();
  }
  if (const std::optional<Value> at = member.member("at")) {
    if (!read_edit_time(at, edit.time_ms)) return refused(".at", kNoEditTime);
  } else if (!read_edit_time(member.member("updatedAt"), edit.time_ms)) {
    return refused(".updatedAt", kNoEditTime);
  }
  return edit;
}

// The edits of `fields`, but for the field `except`.
Result<std::vector<Edit>> read_fields(const Value& fields, std::string_view except,
                                      std::string_view place) {
  EditList edits;
  for (auto member = fields.first(); member; member = member->next()) {
    if (!except.empty() && member->key() == except) continue;
    const Result<Edit> edit = read_field(*member, place);
    if (!edit) return std::unexpected(edit.error());
    edits.add(*edit);
  }
  return edits.take();
}

// The edits of `data`, all at one time.
std::vector<Edit> read_data(const Value& data, std::optional<int64_t> time_ms) {
  EditList edits;
  for (auto member = data.first(); member; member = member->next()) {
    if (member->key() == "id") continue;
    edits.add({member->key(), member->text(), member->hash(), time_ms});
  }
  return edits.take();
}

// A member that must be an object where it is there.
Result<std::optional<Value>> optional_object(const Value& change, std::string_view name,
                                             std::string_view place) {
  const std::optional<Value> member = change.member(name);
  if (member && member->type() != Type::kObject) {
    return invalid(fmt::format("{}.{}", place, name), "must be an object");
  }
  return member;
}

// `spaceId` that the app keeps in its own data or fields (PROTOCOL 2.9).
std::optional<std::string_view> app_space_id(const std::optional<Value>& holder) {
  if (!holder || holder->type() != Type::kString) return std::nullopt;
  const std::string_view text = holder->string();
  if (text.size() > limits::kClientIdBytesMax) return std::nullopt;
  return text;
}

// Reads one element of `changes` into one or two changes.
class ChangeReader {
 public:
  ChangeReader(const Value& json, size_t index, std::vector<Change>& out)
      : json_(json), place_(fmt::format("changes[{}]", index)), out_(out) {
    change_.index = index;
  }

  Result<void> read() {
    if (json_.type() != Type::kObject) return invalid(place_, "must be an object");
    if (auto read = read_common(); !read) return read;
    switch (change_.op) {
      case Op::kInsert:
        return read_insert();
      case Op::kUpdate:
        return read_update();
      case Op::kDelete:
        break;
    }
    return read_delete();
  }

 private:
  Result<void> read_common() {
    const auto table = required_name(json_, "table", place_);
    if (!table) return std::unexpected(table.error());
    change_.table = *table;
    const auto record = required_name(json_, "id", place_);
    if (!record) return std::unexpected(record.error());
    change_.record = *record;
    const std::optional<Value> op = json_.member("op");
    const std::optional<Op> known =
        op && op->type() == Type::kString ? parse_op(op->string()) : std::nullopt;
    if (!known) return invalid(place_ + ".op", "must be insert, update or delete");
    change_.op = *known;
    const auto version = schema_version(json_, place_ + ".");
    if (!version) return std::unexpected(version.error());
    change_.schema_version = *version;
    return read_envelope();
  }

  Result<void> read_envelope() {
    const auto actor = optional_object(json_, "actor", place_);
    if (!actor) return std::unexpected(actor.error());
    if (*actor) change_.actor = (*actor)->text();
    const auto origin = optional_label(json_, "origin", place_ + ".");
    if (!origin) return std::unexpected(origin.error());
    change_.origin = *origin;
    const auto space_id = optional_label(json_, "spaceId", place_ + ".");
    if (!space_id) return std::unexpected(space_id.error());
    change_.space_id = *space_id;

    auto data = optional_object(json_, "data", place_);
    if (!data) return std::unexpected(data.error());
    data_ = *data;
    auto fields = optional_object(json_, "fields", place_);
    if (!fields) return std::unexpected(fields.error());
    fields_ = *fields;
    if (!change_.space_id && data_) change_.space_id = app_space_id(data_->member("spaceId"));
    if (!change_.space_id && fields_) {
      const auto field = fields_->member("spaceId");
      change_.space_id = app_space_id(field ? field->member("value") : std::nullopt);
    }
    return {};
  }

  Result<void> read_insert() {
    if (data_) {
      std::optional<int64_t> time = data_time(*data_, "updatedAt");
      change_.insert_time = time ? InsertTime::kUpdatedAt : InsertTime::kNone;
      if (!time) {
        time = data_time(*data_, "createdAt");
        if (time) change_.insert_time = InsertTime::kCreatedAt;
      }
      change_.edits = read_data(*data_, time);
      for (auto member = data_->first(); member; member = member->next()) {
        if (member->key() == "id") change_.insert_id = member->text();
      }
    }
    out_.push_back(std::move(change_));
    return {};
  }

  Result<void> read_update() {
    if (fields_) {
      auto edits = read_fields(*fields_, "", place_);
      if (!edits) return std::unexpected(edits.error());
      change_.edits = std::move(*edits);
    } else if (data_) {
      change_.edits = read_data(*data_, std::nullopt);
    }
    out_.push_back(std::move(change_));
    return {};
  }

  Result<void> read_delete() {
    std::optional<int64_t> time_ms;
    if (!read_edit_time(json_.member("deletedAt"), time_ms)) {
      return invalid(place_ + ".deletedAt", kNoEditTime);
    }
    if (fields_) {
      auto edits = read_fields(*fields_, "deletedAt", place_);
      if (!edits) return std::unexpected(edits.error());
      if (!edits->empty()) {
        Change update = change_;
        update.op = Op::kUpdate;
        update.edits = std::move(*edits);
        out_.push_back(std::move(update));
      }
    }
    change_.edits.push_back(
        {.field = "deletedAt", .value = {}, .value_hash = 0, .time_ms = time_ms});
    out_.push_back(std::move(change_));
    return {};
  }

  const Value& json_;
  const std::string place_;
  std::vector<Change>& out_;
  Change change_;
  std::optional<Value> data_;
  std::optional<Value> fields_;
};

Result<Changeset> read_changeset(const Value& body) {
  if (body.type() != Type::kObject) {
    return fail(ErrorCode::kInvalid, "the body must be one JSON object");
  }
  Changeset changeset;
  const auto client_id = optional_label(body, "clientId", "");
  if (!client_id) return std::unexpected(client_id.error());
  changeset.client_id = client_id->value_or("");
  if (const auto version = schema_version(body, ""); !version) {
    return std::unexpected(version.error());
  }
  if (const std::optional<Value> since = body.member("since")) {
    if (since->type() == Type::kString) changeset.since_us = parse_cursor_us(since->string());
  }
  const std::optional<Value> changes = body.member("changes");
  if (!changes) return changeset;
  if (changes->type() != Type::kArray) return invalid("changes", "must be an array");
  size_t index = 0;
  for (auto change = changes->first(); change; change = change->next()) {
    auto read = ChangeReader(*change, index++, changeset.changes).read();
    if (!read) return std::unexpected(read.error());
  }
  return changeset;
}

}  // namespace

struct ChangesetReader::Impl {
  explicit Impl(Counter& counter) : sanitized(counter) {}
  Counter& sanitized;
  JsonTree tree;
};

ChangesetReader::ChangesetReader(Counter& sanitized) : impl_(std::make_unique<Impl>(sanitized)) {}
ChangesetReader::~ChangesetReader() = default;

Result<Changeset> ChangesetReader::read(std::string& body) {
  const Result<Value> json = impl_->tree.parse(body);
  if (!json) return std::unexpected(json.error());
  Result<Changeset> changeset = read_changeset(*json);
  if (changeset) {
    impl_->sanitized.add(static_cast<int64_t>(impl_->tree.replaced()));
    changeset->arena = impl_->tree.release();
  }
  return changeset;
}

}  // namespace mana_sync::sync
