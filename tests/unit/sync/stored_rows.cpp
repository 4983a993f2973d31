#include "stored_rows.h"

#include <algorithm>

#include "change_format.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"

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

struct ToldCell {
  StoredCell cell;
  int64_t time_ms;
};

// What a row says of a field; a delete is an edit of `deletedAt` (PROTOCOL 2.8).
std::optional<ToldCell> told_cell(const StoredRow& row, std::string_view field) {
  const bool is_delete = row.op == Op::kDelete && field == "deletedAt";
  const auto value = member_of(row.data, field);
  const auto edit = member_of(row.field_timestamps, field);
  if (!value && !edit && !is_delete) return std::nullopt;
  const auto stored_time = edit ? edit : is_delete ? value : std::nullopt;
  const auto time_ms = stored_time ? stored_time_ms(*stored_time) : std::nullopt;
  ToldCell told{.cell = {.value = std::string(value.value_or("null")),
                         .edit_time = std::string(edit.value_or("")),
                         .stamp_us = row.stamp_us,
                         .client_id = row.client_id},
                .time_ms = time_ms.value_or(receipt_time_ms(row.stamp_us))};
  if (is_delete && !value) told.cell.value = '"' + format_time_ms(told.time_ms) + '"';
  return told;
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

std::vector<ChangeRow> StoredRows::page(const PageQuery& query, Page& page) const {
  std::vector<ChangeRow> rows;
  page.has_more = false;
  page.scanned_up_to_us = query.up_to_us;
  size_t bytes = 0;
  size_t scanned = 0;
  int64_t last_scanned_us = query.after_us;
  for (const StoredRow& stored : rows_) {
    if (stored.stamp_us <= query.after_us || stored.stamp_us > query.up_to_us) continue;
    if (scanned >= scan_rows_max && stored.stamp_us != last_scanned_us) {
      page.has_more = true;
      page.scanned_up_to_us = stored.stamp_us - 1;
      break;
    }
    ++scanned;
    last_scanned_us = stored.stamp_us;
    if (query.exclude_client && stored.client_id == *query.exclude_client) continue;
    if (!query.tables.empty() && std::ranges::count(query.tables, stored.table) == 0) continue;
    const bool tied = !rows.empty() && rows.back().stamp_us == stored.stamp_us;
    const bool full = rows.size() >= query.changes_max ||
                      (!rows.empty() && bytes + stored.data.size() > query.bytes_max);
    if (full && !tied) {
      page.has_more = true;
      page.scanned_up_to_us = rows.back().stamp_us;
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
    bool has_asked_time = false;
    for (const StoredRow& stored : rows_) {
      if (stored.table != cell.table || stored.record != cell.record) continue;
      std::optional<ToldCell> told = told_cell(stored, cell.field);
      if (!told) continue;
      const bool is_asked = told->time_ms == cell.time_ms;
      if (has_asked_time && !is_asked) continue;
      has_asked_time = is_asked;
      cells[i] = std::move(told->cell);
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
