#include "mana_sync/sync/changeset.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

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

// What a member belongs to: a change by its index, or the body. As text only for errors.
struct Holder {
  std::optional<size_t> change{};

  [[nodiscard]] std::string text() const {
    return change ? fmt::format("changes[{}]", *change) : std::string();
  }
  [[nodiscard]] std::string member(std::string_view name) const {
    return change ? fmt::format("{}.{}", text(), name) : std::string(name);
  }
};

using Member = std::optional<Value>;

// An optional string of bounded length (client id, origin, spaceId).
Result<std::optional<std::string_view>> optional_label(const Member& member, std::string_view name,
                                                       const Holder& holder) {
  if (!member) return std::nullopt;
  if (member->type() != Type::kString) return invalid(holder.member(name), "must be a string");
  const std::string_view text = member->string();
  if (text.size() > limits::kClientIdBytesMax) {
    return invalid(holder.member(name),
                   fmt::format("longer than {} bytes", limits::kClientIdBytesMax));
  }
  return text;
}

// `table` or `id`.
Result<std::string_view> required_name(const Member& member, std::string_view name,
                                       const Holder& holder) {
  const auto refused = [&](std::string_view what) { return invalid(holder.member(name), what); };
  if (!member) return refused("is missing");
  if (member->type() != Type::kString) return refused("must be a string");
  const std::string_view text = member->string();
  if (text.empty()) return refused("must not be empty");
  if (text.size() > limits::kNameBytesMax) {
    return refused(fmt::format("longer than {} bytes", limits::kNameBytesMax));
  }
  return text;
}

Result<int> schema_version(const Member& member, const Holder& holder) {
  if (!member) return 1;
  if (member->type() == Type::kNumber && member->text() == "1") return 1;
  return invalid(
      holder.member("schemaVersion"),
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

// The edits of a changeset, change by change.
class EditList {
 public:
  EditList() { edits_.reserve(kReserved); }
  // What is added from now on is of another change.
  void begin_change() {
    first_ = edits_.size();
    places_.clear();
  }
  // Of two edits of one field the last counts (PROTOCOL 2.10).
  void add(const Edit& edit) {
    if (Edit* const earlier = find(edit.field)) {
      *earlier = edit;
      return;
    }
    edits_.push_back(edit);
    if (!places_.empty()) places_.emplace(edit.field, edits_.size() - 1);
  }
  // Of the change under way. Valid until more is added.
  [[nodiscard]] std::span<const Edit> of_change() const {
    return std::span(edits_).subspan(first_);
  }
  [[nodiscard]] std::vector<Edit> take() { return std::move(edits_); }

 private:
  // Up to so many are found by looking at each.
  static constexpr size_t kSearchedMax = 16;
  static constexpr size_t kReserved = 4;

  // nullptr: the change has none of that field.
  [[nodiscard]] Edit* find(std::string_view field) {
    if (edits_.size() - first_ <= kSearchedMax) {
      const auto found = std::find_if(edits_.begin() + static_cast<ptrdiff_t>(first_), edits_.end(),
                                      [&](const Edit& edit) { return edit.field == field; });
      return found == edits_.end() ? nullptr : &*found;
    }
    if (places_.empty()) {
      for (size_t i = first_; i < edits_.size(); ++i) places_.emplace(edits_[i].field, i);
    }
    const auto found = places_.find(field);
    return found == places_.end() ? nullptr : &edits_[found->second];
  }

  std::vector<Edit> edits_;
  size_t first_ = 0;                                        // of the change under way
  absl::flat_hash_map<std::string_view, size_t> places_{};  // of its edits, where there are many
};

Result<Edit> read_field(const Value& member, const Holder& holder) {
  Edit edit{.field = member.key(), .value = "null", .value_hash = hash_of_null()};
  const auto refused = [&](std::string_view below, std::string_view what) {
    return invalid(fmt::format("{}.{}{}", holder.member("fields"), shown_name(edit.field), below),
                   what);
  };
  if (member.is_null()) return edit;
  if (member.type() != Type::kObject) return refused("", "must be an object");
  const auto [value, at, updated_at] =
      member.members(std::to_array<std::string_view>({"value", "at", "updatedAt"}));
  if (value) {
    edit.value = value->text();
    edit.value_hash = value->hash();
  }
  if (at) {
    if (!read_edit_time(at, edit.time_ms)) return refused(".at", kNoEditTime);
  } else if (!read_edit_time(updated_at, edit.time_ms)) {
    return refused(".updatedAt", kNoEditTime);
  }
  return edit;
}

// Adds the edits of `fields`, but for the field `except`.
Result<void> read_fields(const Value& fields, std::string_view except, const Holder& holder,
                         EditList& edits) {
  for (auto member = fields.first(); member; member = member->next()) {
    if (!except.empty() && member->key() == except) continue;
    const Result<Edit> edit = read_field(*member, holder);
    if (!edit) return std::unexpected(edit.error());
    edits.add(*edit);
  }
  return {};
}

// Adds the edits of `data`, all at one time. Returns the value of `id`.
std::string_view read_data(const Value& data, std::optional<int64_t> time_ms, EditList& edits) {
  std::string_view id;
  for (auto member = data.first(); member; member = member->next()) {
    const std::string_view key = member->key();
    if (key == "id") {
      id = member->text();
    } else {
      edits.add({key, member->text(), member->hash(), time_ms});
    }
  }
  return id;
}

// A member that must be an object where it is there.
Result<void> check_object(const Member& member, std::string_view name, const Holder& holder) {
  if (!member || member->type() == Type::kObject) return {};
  return invalid(holder.member(name), "must be an object");
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
  ChangeReader(const Value& json, size_t index, std::vector<Change>& out, EditList& edits)
      : json_(json), holder_{index}, out_(out), edits_(edits) {
    change_.index = index;
  }

  Result<void> read() {
    if (json_.type() != Type::kObject) return invalid(holder_.text(), "must be an object");
    if (auto read = read_members(); !read) return read;
    edits_.begin_change();
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
  Result<void> read_members() {
    const auto [table, record, op, version, actor, origin, space_id, data, fields, deleted_at] =
        json_.members(
            std::to_array<std::string_view>({"table", "id", "op", "schemaVersion", "actor",
                                             "origin", "spaceId", "data", "fields", "deletedAt"}));
    if (auto read = read_names(table, record, op); !read) return read;
    const auto known_version = schema_version(version, holder_);
    if (!known_version) return std::unexpected(known_version.error());
    change_.schema_version = *known_version;
    if (auto read = read_envelope(actor, origin, space_id); !read) return read;
    if (auto checked = check_object(data, "data", holder_); !checked) return checked;
    if (auto checked = check_object(fields, "fields", holder_); !checked) return checked;
    data_ = data;
    fields_ = fields;
    deleted_at_ = deleted_at;
    if (!change_.space_id && data_) change_.space_id = app_space_id(data_->member("spaceId"));
    if (!change_.space_id && fields_) {
      const auto field = fields_->member("spaceId");
      change_.space_id = app_space_id(field ? field->member("value") : std::nullopt);
    }
    return {};
  }

  Result<void> read_names(const Member& table, const Member& record, const Member& op) {
    const auto table_name = required_name(table, "table", holder_);
    if (!table_name) return std::unexpected(table_name.error());
    change_.table = *table_name;
    const auto record_id = required_name(record, "id", holder_);
    if (!record_id) return std::unexpected(record_id.error());
    change_.record = *record_id;
    const std::optional<Op> known =
        op && op->type() == Type::kString ? parse_op(op->string()) : std::nullopt;
    if (!known) return invalid(holder_.member("op"), "must be insert, update or delete");
    change_.op = *known;
    return {};
  }

  Result<void> read_envelope(const Member& actor, const Member& origin, const Member& space_id) {
    if (auto checked = check_object(actor, "actor", holder_); !checked) return checked;
    if (actor) change_.actor = actor->text();
    const auto origin_label = optional_label(origin, "origin", holder_);
    if (!origin_label) return std::unexpected(origin_label.error());
    change_.origin = *origin_label;
    const auto space_label = optional_label(space_id, "spaceId", holder_);
    if (!space_label) return std::unexpected(space_label.error());
    change_.space_id = *space_label;
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
      change_.insert_id = read_data(*data_, time, edits_);
    }
    finish(change_);
    return {};
  }

  Result<void> read_update() {
    if (fields_) {
      if (auto read = read_fields(*fields_, "", holder_, edits_); !read) return read;
    } else if (data_) {
      read_data(*data_, std::nullopt, edits_);
    }
    finish(change_);
    return {};
  }

  Result<void> read_delete() {
    std::optional<int64_t> time_ms;
    if (!read_edit_time(deleted_at_, time_ms)) {
      return invalid(holder_.member("deletedAt"), kNoEditTime);
    }
    if (fields_) {
      if (auto read = read_fields(*fields_, "deletedAt", holder_, edits_); !read) return read;
      if (!edits_.of_change().empty()) {
        Change update = change_;
        update.op = Op::kUpdate;
        finish(update);
        edits_.begin_change();
      }
    }
    edits_.add({.field = "deletedAt", .value = {}, .value_hash = 0, .time_ms = time_ms});
    finish(change_);
    return {};
  }

  void finish(const Change& change) {
    out_.push_back(change);
    out_.back().edits = edits_.of_change();
  }

  const Value& json_;
  const Holder holder_;
  std::vector<Change>& out_;
  EditList& edits_;
  Change change_;
  Member data_;
  Member fields_;
  Member deleted_at_;
};

Result<void> read_changes(const Value& list, Changeset& changeset) {
  EditList edits;
  size_t index = 0;
  for (auto change = list.first(); change; change = change->next()) {
    auto read = ChangeReader(*change, index++, changeset.changes, edits).read();
    if (!read) return read;
  }
  changeset.edits = edits.take();
  // The list has moved as it grew.
  std::span<const Edit> rest(changeset.edits);
  for (Change& change : changeset.changes) {
    const size_t count = change.edits.size();
    change.edits = rest.first(count);
    rest = rest.subspan(count);
    changeset.edit_names_bytes += count * (change.table.size() + change.record.size());
  }
  return {};
}

Result<Changeset> read_changeset(const Value& body) {
  if (body.type() != Type::kObject) {
    return fail(ErrorCode::kInvalid, "the body must be one JSON object");
  }
  const auto [client_id, version, since, changes] = body.members(
      std::to_array<std::string_view>({"clientId", "schemaVersion", "since", "changes"}));
  Changeset changeset;
  const auto client_label = optional_label(client_id, "clientId", Holder());
  if (!client_label) return std::unexpected(client_label.error());
  changeset.client_id = client_label->value_or("");
  if (const auto known = schema_version(version, Holder()); !known) {
    return std::unexpected(known.error());
  }
  if (since && since->type() == Type::kString)
    changeset.since_us = parse_cursor_us(since->string());
  if (!changes) return changeset;
  if (changes->type() != Type::kArray) return invalid("changes", "must be an array");
  if (auto read = read_changes(*changes, changeset); !read) return std::unexpected(read.error());
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
  const size_t names_bytes_max =
      std::max(limits::kEditNamesBytesMax, limits::kEditNamesPerBodyByteMax * body.size());
  const Result<Value> json = impl_->tree.parse(body);
  if (!json) return std::unexpected(json.error());
  Result<Changeset> changeset = read_changeset(*json);
  if (changeset && changeset->edit_names_bytes > names_bytes_max) {
    return invalid("changes", "the names of the tables and records of all edits are too long");
  }
  if (changeset) {
    impl_->sanitized.add(static_cast<int64_t>(impl_->tree.replaced()));
    changeset->arena = impl_->tree.release();
  }
  return changeset;
}

}  // namespace mana_sync::sync
