// Why units and reads are given up, as their clients are told.
#pragma once

#include <string_view>

namespace mana_sync::store {

inline constexpr std::string_view kTakenOver = "another process has taken over";
inline constexpr std::string_view kNoAnswerInTime = "the database did not answer in time";

}  // namespace mana_sync::store
