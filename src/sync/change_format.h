// A change as the server sends it (PROTOCOL §4).
#pragma once

#include <string>

#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// Appends `row` as one JSON object without insignificant whitespace, whatever shape the row has: an
// odd edit time is read where it can be, and the row's stamp stands in for a missing one (PROTOCOL
// 4.3).
void append_change(std::string& out, const ChangeRow& row);

// The table of a change that append_change() wrote, as it stands there: a JSON string.
[[nodiscard]] std::string_view table_of_change(std::string_view change);

// The edit time that `field_timestamps` gives as `value`: a string, or an object with `at` or
// `updatedAt`. nullopt: none that can be read.
[[nodiscard]] std::optional<int64_t> stored_time_ms(std::string_view value);

}  // namespace mana_sync::sync
