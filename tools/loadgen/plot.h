// A report as a picture.
#pragma once

#include <string>

#include "report.h"

namespace mana_sync::loadgen {

// An SVG: each latency's curve over the percentiles, the last ones spread, and what was answered in
// each second.
[[nodiscard]] std::string plot(const Report& report);

}  // namespace mana_sync::loadgen
