// A run beside an earlier one.
#pragma once

#include <string>
#include <string_view>

#include "mana_sync/base/result.h"
#include "report.h"

namespace mana_sync::loadgen {

// For people, each line ended: every figure and percentile that both reports have, and the ratio of
// now to earlier. `earlier_json` is what Report::json() wrote. Fails (kInvalid) where it is not, or
// is another scenario's.
[[nodiscard]] Result<std::string> compare(std::string_view earlier_json, const Report& now);

}  // namespace mana_sync::loadgen
