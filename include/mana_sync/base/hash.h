// Hashes for tables in memory; never stored, never sent.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

namespace mana_sync {

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  template <class State>
  friend State AbslHashValue(State state, const Hash128& hash) {
    return State::combine(std::move(state), hash.low);  // as good as all of it
  }
};

// XXH3. Unless the seed is secret, who chooses the bytes can make two hashes meet.
[[nodiscard]] uint64_t hash64(std::string_view bytes, uint64_t seed = 0);
[[nodiscard]] Hash128 hash128(std::string_view bytes, uint64_t seed = 0);

// A seed that nobody outside can know, from getrandom(2).
[[nodiscard]] uint64_t random_seed();

}  // namespace mana_sync
