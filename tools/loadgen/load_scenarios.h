// Scenarios of requests: how many, how fast, and whether what is answered is right.
#pragma once

#include <memory>

#include "driver.h"
#include "scenario.h"

namespace mana_sync::loadgen {

// GET /health over kept connections.
[[nodiscard]] std::unique_ptr<Scenario> make_health(RunContext& run, const DriverOptions& options);

}  // namespace mana_sync::loadgen
