#include "mana_sync/base/hash.h"

#include <sys/random.h>
#include <xxhash.h>

#include "mana_sync/base/check.h"

namespace mana_sync {

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 hash128(std::string_view bytes, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.low64, hash.high64};
}

uint64_t random_seed() {
  uint64_t seed = 0;
  MANA_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

}  // namespace mana_sync
