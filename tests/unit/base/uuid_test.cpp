#include "mana_sync/base/uuid.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace mana_sync {
namespace {

std::string text_of(const Uuid& id) {
  std::string out;
  append_uuid(out, id);
  return out;
}

TEST(AppendUuid, WritesLowerCaseGroups) {
  const Uuid id = {0x01, 0x90, 0xb5, 0xe2, 0x12, 0x34, 0x7a, 0xbc,
                   0x8d, 0xef, 0x00, 0x11, 0x22, 0x33, 0x44, 0xff};
  EXPECT_EQ(text_of(id), "0190b5e2-1234-7abc-8def-0011223344ff");
}

TEST(UuidGenerator, MakesVersion7WithTheTimeInFront) {  // RFC 9562 §5.7
  UuidGenerator generator(1);
  // RFC 9562 appendix A.6: 2022-02-22T19:22:22.00Z is 0x017F22E279B0 ms.
  const std::string id = text_of(generator.next(0x017F22E279B0 * 1000));
  EXPECT_EQ(id.substr(0, 19), "017f22e2-79b0-7000-");
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
}

TEST(UuidGenerator, AscendsWithEachMicrosecond) {  // RFC 9562 §6.2, method 3
  UuidGenerator generator(2);
  Uuid last = generator.next(1'700'000'000'000'000 - 1);
  for (int64_t us = 0; us < 3000; ++us) {
    const Uuid id = generator.next(1'700'000'000'000'000 + us);
    ASSERT_LT(last, id) << us;
    last = id;
  }
}

TEST(UuidGenerator, MakesDistinctIdsOfOneTimeAndOfTwoSeeds) {
  UuidGenerator one(1);
  UuidGenerator two(2);
  std::set<Uuid> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.insert(one.next(1'700'000'000'000'000));
    ids.insert(two.next(1'700'000'000'000'000));
  }
  EXPECT_EQ(ids.size(), 2000u);
}

}  // namespace
}  // namespace mana_sync
