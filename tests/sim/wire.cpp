#include "wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "json_tree.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sim {
namespace {

using sync::JsonTree;
using Value = JsonTree::Value;

// A bound on values keeps large ones out of traces.
constexpr size_t kShownBytesMax = 60;

class AnswerReader {
 public:
  explicit AnswerReader(std::string& why) : why_(why) {}

  std::optional<WireAnswer> read(std::string_view body) {
    std::string text(body);
    const auto json = tree_.parse(text);
    if (!json) return wrong("no JSON", json.error().message);
    const auto changes = json->member("serverChanges");
    const auto conflicts = json->member("conflicts");
    if (!changes || !conflicts) return wrong("keys are missing", body);
    for (auto change = changes->first(); change; change = change->next()) read_change(*change);
    for (auto conflict = conflicts->first(); conflict; conflict = conflict->next()) {
      read_conflict(*conflict);
    }
    read_cursor(*json);
    if (!why_.empty()) return std::nullopt;
    return std::move(answer_);
  }

 private:
  std::nullopt_t wrong(std::string_view what, std::string_view where) {
    if (why_.empty()) why_ = fmt::format("{}: {}", what, where.substr(0, kShownBytesMax));
    return std::nullopt;
  }

  std::string string_of(const Value& object, std::string_view name) {
    const auto member = object.member(name);
    if (!member || member->type() != JsonTree::Type::kString) {
      wrong(name, object.text());
      return {};
    }
    return std::string(member->string());
  }

  // Edit times have three fraction digits and `Z` (PROTOCOL 4.1).
  int64_t time_of(const Value& object, std::string_view name) {
    const std::string text = string_of(object, name);
    const auto time_ms = parse_rfc3339_ms(text);
    if (!time_ms || format_time_ms(*time_ms) != text) wrong(name, object.text());
    return time_ms.value_or(0);
  }

  void read_change(const Value& json) {
    SentChange change;
    change.event_id = string_of(json, "eventId");
    change.table = string_of(json, "table");
    change.record = string_of(json, "id");
    const auto op = sync::parse_op(string_of(json, "op"));
    if (!op) return void(wrong("op", json.text()));
    change.op = *op;
    switch (*op) {
      case sync::Op::kInsert:
        read_insert(json, change);
        break;
      case sync::Op::kUpdate:
        read_update(json, change);
        break;
      case sync::Op::kDelete:
        read_delete(json, change);
        break;
    }
    answer_.changes.push_back(std::move(change));
  }

  void read_insert(const Value& json, SentChange& change) {
    const auto data = json.member("data");
    if (!data) return void(wrong("data", json.text()));
    std::optional<int64_t> time_ms;
    for (const std::string_view name : {"createdAt", "updatedAt"}) {  // the latter wins
      const auto said = data->member(name);
      if (!said || said->type() != JsonTree::Type::kString) continue;
      if (const auto said_ms = parse_rfc3339_ms(said->string())) time_ms = said_ms;
    }
    for (auto member = data->first(); member; member = member->next()) {
      if (member->key() == "id") continue;
      change.fields.push_back({std::string(member->key()), canonical(member->text()), time_ms});
    }
  }

  void read_update(const Value& json, SentChange& change) {
    const auto fields = json.member("fields");
    if (!fields) return void(wrong("fields", json.text()));
    for (auto field = fields->first(); field; field = field->next()) {
      std::string value = "null";
      if (const auto given = field->member("value")) value = canonical(given->text());
      const int64_t time_ms = time_of(*field, "updatedAt");
      if (time_of(*field, "at") != time_ms) wrong("at", json.text());
      change.fields.push_back({std::string(field->key()), std::move(value), time_ms});
    }
  }

  void read_delete(const Value& json, SentChange& change) {
    const int64_t time_ms = time_of(json, "deletedAt");
    change.fields.push_back({"deletedAt", quoted_time(time_ms), time_ms});
  }

  void read_conflict(const Value& json) {
    // Other than member(), sees a null.
    const auto find = [&](std::string_view name) {
      auto member = json.first();
      while (member && member->key() != name) member = member->next();
      return member;
    };
    const auto said = [&](std::string_view name) { return find(name).has_value(); };
    const auto value_of = [&](std::string_view name) {
      const auto value = find(name);
      return value ? canonical(value->text()) : "";
    };
    answer_.conflicts.push_back({.table = string_of(json, "table"),
                                 .record = string_of(json, "id"),
                                 .field = string_of(json, "field"),
                                 .has_values = said("clientValue"),
                                 .client_value = value_of("clientValue"),
                                 .client_time_ms = time_of(json, "clientTimestamp"),
                                 .server_value = value_of("serverValue"),
                                 .server_time_ms = time_of(json, "serverTimestamp")});
  }

  void read_cursor(const Value& json) {
    const std::string cursor = string_of(json, "syncedUntil");
    const auto us = parse_rfc3339_us(cursor);
    if (!us || format_cursor_us(*us) != cursor) wrong("syncedUntil", cursor);  // PROTOCOL 10.2
    answer_.synced_until_us = us.value_or(0);
    if (const auto more = json.member("hasMore")) {
      answer_.has_more = more->text() == "true";
      if (!answer_.has_more) wrong("hasMore", more->text());  // PROTOCOL 2.4
    }
  }

  std::string& why_;
  JsonTree tree_;
  WireAnswer answer_;
};

// A space after each comma and colon that stands outside of strings.
std::string spaced(std::string_view json) {
  std::string text;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    text += json[i];
    if (in_string && json[i] == '\\') {
      text += json[++i];
    } else if (json[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && (json[i] == ',' || json[i] == ':')) {
      text += ' ';
    }
  }
  return text;
}

}  // namespace

std::optional<WireAnswer> read_answer(std::string_view body, std::string& why) {
  return AnswerReader(why).read(body);
}

// Objects within arrays keep their order: devices make none.
std::string jsonb_text(std::string_view json) {
  if (!json.starts_with('{')) return spaced(json);
  std::vector<std::pair<std::string_view, std::string_view>> members;
  for (JsonMembers member(json); member.next();) members.push_back({member.key(), member.value()});
  std::ranges::sort(members, [](const auto& a, const auto& b) {
    return std::pair(a.first.size(), a.first) < std::pair(b.first.size(), b.first);
  });
  std::string text = "{";
  for (const auto& [key, value] : members) {
    text += fmt::format("{}\"{}\": {}", text.size() > 1 ? ", " : "", key, jsonb_text(value));
  }
  return text + "}";
}

std::string canonical(std::string_view json) {
  if (json == "1.0") return "1";  // JSONB compares numbers, and devices write this one in two ways
  if (!json.starts_with('{') && !json.starts_with('[')) return std::string(json);
  std::string text;
  append_minified(text, jsonb_text(json));
  return text;
}

std::string quoted_time(int64_t ms) {
  return '"' + format_time_ms(ms) + '"';
}

}  // namespace mana_sync::sim
