#include "change_format.h"

#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

// `"updatedAt":"…","at":"…"`
void append_edit_time(std::string& out, int64_t ms) {
  out += "\"updatedAt\":\"";
  const size_t begin = out.size();
  append_time_ms(out, ms);
  const size_t size = out.size() - begin;
  out += "\",\"at\":\"";
  out.append(out, begin, size);
  out += '"';
}

void append_insert(std::string& out, const ChangeRow& row) {
  out += ",\"data\":";
  if (row.data.starts_with('{')) {
    append_minified(out, row.data);
  } else {
    out += "{}";
  }
}

void append_update(std::string& out, const ChangeRow& row) {
  out += ",\"fields\":{";
  // Both come from JSONB, which orders members the same way.
  MemberFinder times(row.field_timestamps);
  bool first = true;
  for (JsonMembers fields(row.data); fields.next(); first = false) {
    if (!first) out += ',';
    out += '"';
    out += fields.key();
    out += "\":{\"value\":";
    append_minified(out, fields.value());
    out += ',';
    const auto stored = times.find(fields.key());
    const auto time = stored ? stored_time_ms(*stored) : std::nullopt;
    append_edit_time(out, time.value_or(receipt_time_ms(row.stamp_us)));
    out += '}';
  }
  out += '}';
}

void append_delete(std::string& out, const ChangeRow& row) {
  auto stored = find_member(row.field_timestamps, "deletedAt");
  if (!stored) stored = find_member(row.data, "deletedAt");
  const auto time = stored ? stored_time_ms(*stored) : std::nullopt;
  if (!time) return;
  out += ",\"deletedAt\":\"";
  append_time_ms(out, *time);
  out += '"';
}

}  // namespace

std::string_view table_of_change(std::string_view change) {
  // Before it stand a UUID and a number.
  constexpr std::string_view kTable = "\"table\":";
  const size_t begin = change.find(kTable) + kTable.size();
  size_t end = begin + 1;
  while (change[end] != '"') end += change[end] == '\\' ? 2 : 1;
  return change.substr(begin, end + 1 - begin);
}

std::optional<int64_t> stored_time_ms(std::string_view value) {
  if (const auto text = plain_string(value)) return parse_rfc3339_ms(*text);
  for (const std::string_view key : {"at", "updatedAt"}) {
    const auto member = find_member(value, key);
    const auto text = member ? plain_string(*member) : std::nullopt;
    if (!text) continue;
    if (const auto ms = parse_rfc3339_ms(*text)) return ms;
  }
  return std::nullopt;
}

void append_change(std::string& out, const ChangeRow& row) {
  out += "{\"eventId\":\"";
  append_uuid(out, row.event_id);
  out += "\",\"schemaVersion\":";
  out += std::to_string(row.schema_version);
  out += ",\"table\":";
  append_json_string(out, row.table);
  out += ",\"id\":";
  append_json_string(out, row.record);
  out += ",\"op\":\"";
  out += op_name(row.op);
  out += '"';
  switch (row.op) {
    case Op::kInsert:
      append_insert(out, row);
      break;
    case Op::kUpdate:
      append_update(out, row);
      break;
    case Op::kDelete:
      append_delete(out, row);
      break;
  }
  if (row.actor.starts_with('{')) {
    out += ",\"actor\":";
    append_minified(out, row.actor);
  }
  if (row.origin) {
    out += ",\"origin\":";
    append_json_string(out, *row.origin);
  }
  if (row.space_id) {
    out += ",\"spaceId\":";
    append_json_string(out, *row.space_id);
  }
  out += '}';
}

}  // namespace mana_sync::sync
