#include "row_decoder.h"

namespace mana_sync::store {
namespace {

sync::ChangeRow decode_row(const PgResult& result, int row) {
  using namespace statements;
  const auto optional_text = [&](int column) -> std::optional<std::string_view> {
    if (result.is_null(row, column)) return std::nullopt;
    return result.text(row, column);
  };
  return {
      .event_id = result.uuid(row, kId),
      .stamp_us = result.time_us(row, kCreatedAt),
      .op = sync::parse_op(result.text(row, kOp)).value_or(sync::Op::kUpdate),
      .table = result.text(row, kTable),
      .record = result.text(row, kRecord),
      .client_id = result.text(row, kClient),
      .data = result.text(row, kData),
      .field_timestamps = result.text(row, kFieldTimestamps),
      .schema_version = result.is_null(row, kSchemaVersion) ? 1 : result.int4(row, kSchemaVersion),
      .actor = result.text(row, kActor),
      .origin = optional_text(kOrigin),
      .space_id = optional_text(kSpaceId),
  };
}

}  // namespace

DecodedRows decode_rows(const PgResult& result) {
  DecodedRows decoded;
  decoded.rows.reserve(static_cast<size_t>(result.rows()));
  for (int row = 0; row < result.rows(); ++row) {
    if (!result.boolean(row, statements::kFits)) {
      decoded.is_cut = true;
      break;
    }
    if (!result.boolean(row, statements::kWanted)) {
      decoded.is_cut = true;
      decoded.scan_end_us = result.time_us(row, statements::kCreatedAt);
      break;
    }
    decoded.rows.push_back(decode_row(result, row));
  }
  return decoded;
}

size_t page_length(const std::vector<sync::ChangeRow>& rows, size_t changes_max, size_t bytes_max) {
  size_t length = 0;
  size_t bytes = 0;
  while (length < rows.size()) {
    size_t end = length;
    do {
      bytes += rows[end].data.size() + rows[end].field_timestamps.size() + rows[end].actor.size();
      ++end;
    } while (end < rows.size() && rows[end].stamp_us == rows[length].stamp_us);
    const bool fits = end <= changes_max && bytes <= bytes_max;
    if (!fits && length > 0) break;
    length = end;
    if (!fits) break;
  }
  return length;
}

}  // namespace mana_sync::store
