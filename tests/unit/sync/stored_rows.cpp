#include "stored_rows.h"

#include <algorithm>

#include "mana_sync/base/json_text.h"

namespace mana_sync::sync::testing {
namespace {

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

std::optional<std::string_view> member_of(std::string_view json, std::string_view name) {
  std::string key;
  append_json_string(key, name);
  return find_member(json, std::string_view(key).substr(1, key.size() - 2));
}

}  // namespace

StoredRow StoredRow::of(const ChangeRow& row) {
  return {.event_id = row.event_id,
          .stamp_us = row.stamp_us,
          .op = row.op,
          .table = std::string(row.table),
          .record = std::string(row.record),
          .client_id = std::string(row.client_id),
          .data = std::string(row.data),
          .field_timestamps = std::string(row.field_timestamps),
          .schema_version = row.schema_version,
          .actor = std::string(row.actor),
          .origin = owned(row.origin),
          .space_id = owned(row.space_id)};
}

ChangeRow StoredRow::row() const {
  return {.event_id = event_id,
          .stamp_us = stamp_us,
          .op = op,
          .table = table,
          .record = record,
          .client_id = client_id,
          .data = data,
          .field_timestamps = field_timestamps,
          .schema_version = schema_version,
          .actor = actor,
          .origin = origin,
          .space_id = space_id};
}

std::vector<ChangeRow> StoredRows::all() const {
  std::vector<ChangeRow> rows;
  for (const StoredRow& stored : rows_) rows.push_back(stored.row());
  return rows;
}

std::vector<ChangeRow> StoredRows::page(const PageQuery& query, bool& has_more) const {
  std::vector<ChangeRow> rows;
  has_more = false;
  size_t bytes = 0;
  for (const StoredRow& stored : rows_) {
    if (stored.stamp_us <= query.after_us || stored.stamp_us > query.up_to_us) continue;
    if (query.exclude_client && stored.client_id == *query.exclude_client) continue;
    if (!query.tables.empty() && std::ranges::count(query.tables, stored.table) == 0) continue;
    const bool tied = !rows.empty() && rows.back().stamp_us == stored.stamp_us;
    const bool full = rows.size() >= query.changes_max ||
                      (!rows.empty() && bytes + stored.data.size() > query.bytes_max);
    if (full && !tied) {
      has_more = true;
      break;
    }
    bytes += stored.data.size();
    rows.push_back(stored.row());
  }
  return rows;
}

std::vector<std::optional<StoredCell>> StoredRows::cells(const LookupQuery& query) const {
  std::vector<std::optional<StoredCell>> cells(query.cells.size());
  for (size_t i = 0; i < query.cells.size(); ++i) {
    const CellName& cell = query.cells[i];
    for (const StoredRow& stored : rows_) {
      if (stored.table != cell.table || stored.record != cell.record) continue;
      const auto value = member_of(stored.data, cell.field);
      if (!value) continue;
      cells[i] = StoredCell{
          .value = std::string(*value),
          .edit_time = std::string(member_of(stored.field_timestamps, cell.field).value_or("")),
          .stamp_us = stored.stamp_us,
          .client_id = stored.client_id};
    }
  }
  return cells;
}

std::vector<ChangeRow> StoredRows::inserts(const LookupQuery& query) const {
  std::vector<ChangeRow> rows;
  for (const StoredRow& stored : rows_) {
    if (stored.client_id != query.client_id) continue;
    const bool asked = std::ranges::any_of(query.records, [&](const RecordName& name) {
      return name.table == stored.table && name.record == stored.record;
    });
    const bool insert = stored.op == Op::kInsert ||
                        (stored.op == Op::kUpdate && find_member(stored.data, "updatedAt"));
    if (asked && insert) rows.push_back(stored.row());
  }
  return rows;
}

}  // namespace mana_sync::sync::testing
