#include "mana_sync/base/uuid.h"

namespace mana_sync {

void append_uuid(std::string& out, const Uuid& id) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array text = std::to_array("00000000-0000-0000-0000-000000000000");
  char* at = text.data();
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++at;
    *at++ = kHex[id[i] >> 4];
    *at++ = kHex[id[i] & 15];
  }
  out.append(text.data(), text.size() - 1);
}

Uuid UuidGenerator::next(int64_t stamp_us) {
  const auto ms = static_cast<uint64_t>(stamp_us / 1000);
  // The microseconds within the millisecond, scaled to 12 bits.
  const auto fraction = static_cast<uint64_t>(stamp_us % 1000) * 4096 / 1000;
  const uint64_t high = ms << 16 | 0x7000 | fraction;
  const uint64_t low = 0x8000'0000'0000'0000 | (random_() >> 2);
  Uuid id;
  for (size_t i = 0; i < 8; ++i) {
    id[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
    id[8 + i] = static_cast<uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

}  // namespace mana_sync
