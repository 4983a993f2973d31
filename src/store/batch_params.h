// A batch as the parameters of statements::insert_batch() and insert_batch_again().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "binary_array.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::store {

// About what the unit's rows take in a statement, bytes.
[[nodiscard]] size_t unit_bytes(const sync::CommitUnit& unit);

// All rows of the units, to be stored if the lease's epoch is `epoch`.
[[nodiscard]] Params batch_params(int64_t epoch, std::span<const sync::CommitUnit* const> units);

}  // namespace mana_sync::store
