// Results of the read statements as rows of the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mana_sync/sync/store_port.h"
#include "pg_connection.h"

namespace mana_sync::store {

// What another program left null is what the engine takes for "not there". The rows' views are
// borrowed from `result`. REQUIRES: the columns are statements::RowColumn.
struct DecodedRows {
  std::vector<sync::ChangeRow> rows;  // up to the first that did not fit, or where the scan ended
  bool is_cut = false;                // there is one
  // Where the scan ended; nullopt: not before the last of `rows`. Everything below was looked at.
  std::optional<int64_t> scan_end_us;
};
[[nodiscard]] DecodedRows decode_rows(const PgResult& result);

// How many of `rows` make a page of at most `changes_max` rows and `bytes_max` bytes of JSON. Rows
// of one stamp, which only other programs write, stay together, since a cursor cannot point between
// them (PROTOCOL 10.1): the page ends before such a group, or, if the group comes first, after it.
[[nodiscard]] size_t page_length(const std::vector<sync::ChangeRow>& rows, size_t changes_max,
                                 size_t bytes_max);

}  // namespace mana_sync::store
