// When a session ends because its token does (PROTOCOL 6.4, 7.2).
#pragma once

#include <cstdint>
#include <optional>

#include "mana_sync/base/clock.h"

namespace mana_sync::server {

inline constexpr int64_t kNeverNs = INT64_MAX;

// Whether the wall clock has passed `expires_at_s` (seconds since 1970; nullopt: never) by
// `leeway_s`.
[[nodiscard]] bool has_expired(std::optional<double> expires_at_s, int64_t leeway_s,
                               const Clock& clock);

// The steady time (Clock::steady_ns) when it will have, as both clocks stand now; not in the past.
// The wall clock may be set meanwhile: ask again then. kNeverNs for nullopt, and for what is more
// than ten years away.
[[nodiscard]] int64_t expiry_ns(std::optional<double> expires_at_s, int64_t leeway_s,
                                const Clock& clock);

}  // namespace mana_sync::server
