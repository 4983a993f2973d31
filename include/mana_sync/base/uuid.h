// Row ids: UUIDv7 (RFC 9562 §5.7), so that the primary key's index grows at its end.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

namespace mana_sync {

using Uuid = std::array<uint8_t, 16>;

// `0190b5e2-…`, lower case.
void append_uuid(std::string& out, const Uuid& id);

// One thread. Ids of one generator ascend as long as their times do.
class UuidGenerator {
 public:
  explicit UuidGenerator(uint64_t seed) : random_(seed) {}
  // An id for the time `stamp_us` (microseconds since 1970): 48 bits of milliseconds, 12 bits of
  // the microseconds within (RFC 9562 §6.2, method 3), 62 random bits.
  [[nodiscard]] Uuid next(int64_t stamp_us);

 private:
  std::mt19937_64 random_;
};

}  // namespace mana_sync
