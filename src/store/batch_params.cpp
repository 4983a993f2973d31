#include "batch_params.h"

#include <optional>
#include <string_view>

namespace mana_sync::store {
namespace {

using sync::ChangeRow;
using sync::CommitUnit;

// Lengths of fourteen array elements, and the fields of fixed size.
constexpr size_t kRowOverheadBytes = 14 * 4 + 16 + 8 + 4 + 8;

// One array: what `add(array, unit, row)` says of each row.
template <class Add>
BinaryArray column(ElementType type, std::span<const CommitUnit* const> units, size_t rows,
                   Add add) {
  BinaryArray array(type, rows);
  for (const CommitUnit* unit : units) {
    for (const ChangeRow& row : unit->rows) add(array, *unit, row);
  }
  return array;
}

void add_json(BinaryArray& array, std::string_view json) {
  json.empty() ? array.add_null() : array.add_jsonb(json);
}

void add_optional(BinaryArray& array, const std::optional<std::string_view>& text) {
  text ? array.add_text(*text) : array.add_null();
}

}  // namespace

size_t unit_bytes(const CommitUnit& unit) {
  const size_t names = unit.stream->user_id.size() + unit.stream->app_id.size();
  size_t bytes = 0;
  for (const ChangeRow& row : unit.rows) {
    bytes += kRowOverheadBytes + names + row.table.size() + row.record.size() +
             row.client_id.size() + row.data.size() + row.field_timestamps.size() +
             row.actor.size() + row.origin.value_or("").size() + row.space_id.value_or("").size();
  }
  return bytes;
}

Params batch_params(int64_t epoch, std::span<const CommitUnit* const> units) {
  size_t rows = 0;
  for (const CommitUnit* unit : units) rows += unit->rows.size();
  const auto add = [&](ElementType type, auto add_row) {
    return column(type, units, rows, add_row);
  };
  using Array = BinaryArray;
  using Unit = const CommitUnit;
  using Row = const ChangeRow;
  Params params;
  // In the order of insert_batch's columns.
  params.add_int8(epoch)
      .add_array(add(ElementType::kUuid, [](Array& a, Unit&, Row& r) { a.add_uuid(r.event_id); }))
      .add_array(
          add(ElementType::kText, [](Array& a, Unit& u, Row&) { a.add_text(u.stream->user_id); }))
      .add_array(
          add(ElementType::kText, [](Array& a, Unit& u, Row&) { a.add_text(u.stream->app_id); }))
      .add_array(add(ElementType::kText, [](Array& a, Unit&, Row& r) { a.add_text(r.table); }))
      .add_array(add(ElementType::kText, [](Array& a, Unit&, Row& r) { a.add_text(r.record); }))
      .add_array(
          add(ElementType::kText, [](Array& a, Unit&, Row& r) { a.add_text(op_name(r.op)); }))
      .add_array(add(ElementType::kJsonb, [](Array& a, Unit&, Row& r) { add_json(a, r.data); }))
      .add_array(add(ElementType::kJsonb,
                     [](Array& a, Unit&, Row& r) { add_json(a, r.field_timestamps); }))
      .add_array(add(ElementType::kText, [](Array& a, Unit&, Row& r) { a.add_text(r.client_id); }))
      .add_array(
          add(ElementType::kTimestamptz, [](Array& a, Unit&, Row& r) { a.add_time(r.stamp_us); }))
      .add_array(
          add(ElementType::kInt4, [](Array& a, Unit&, Row& r) { a.add_int4(r.schema_version); }))
      .add_array(add(ElementType::kJsonb, [](Array& a, Unit&, Row& r) { add_json(a, r.actor); }))
      .add_array(
          add(ElementType::kText, [](Array& a, Unit&, Row& r) { add_optional(a, r.origin); }))
      .add_array(
          add(ElementType::kText, [](Array& a, Unit&, Row& r) { add_optional(a, r.space_id); }));
  return params;
}

}  // namespace mana_sync::store
