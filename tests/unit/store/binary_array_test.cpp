#include "binary_array.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace mana_sync::store {
namespace {

using std::string_literals::operator""s;

TEST(BinaryArray, Empty_HasNoDimension) {
  EXPECT_EQ(BinaryArray(ElementType::kText, 0).take(), "\0\0\0\0\0\0\0\0\0\0\0\x19"s);
}

TEST(BinaryArray, TextWithNull_IsFlaggedAndMarkedByLengthMinusOne) {
  BinaryArray array(ElementType::kText, 3);
  array.add_text("ab");
  array.add_null();
  array.add_text("");
  EXPECT_EQ(array.take(),
            "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
            "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0"s);
}

TEST(BinaryArray, Numbers_AreBigEndian) {
  BinaryArray array(ElementType::kInt4, 2);
  array.add_int4(1);
  array.add_int4(-2);
  EXPECT_EQ(array.take().substr(20), "\0\0\0\4\0\0\0\1\0\0\0\4\xff\xff\xff\xfe"s);
}

TEST(BinaryArray, Jsonb_HasItsVersionByte) {
  BinaryArray array(ElementType::kJsonb, 1);
  array.add_jsonb("{}");
  EXPECT_EQ(array.take().substr(20), "\0\0\0\3\1{}"s);
}

TEST(BinaryArray, Uuid_IsItsBytes) {
  BinaryArray array(ElementType::kUuid, 1);
  array.add_uuid({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  EXPECT_EQ(array.take().substr(20), "\0\0\0\x10\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10"s);
}

TEST(BinaryArray, Time_CountsFrom2000) {
  BinaryArray array(ElementType::kTimestamptz, 1);
  array.add_time(946'684'800'000'001);
  EXPECT_EQ(array.take().substr(20), "\0\0\0\x8\0\0\0\0\0\0\0\1"s);
}

TEST(DatabaseTime, OutsideItsRange_IsInfinite) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(to_database_time(kMin), kMin);
  EXPECT_EQ(to_database_time(kMax), kMax);
  EXPECT_EQ(from_database_time(kMin), kMin);
  EXPECT_EQ(from_database_time(kMax), kMax);
  EXPECT_EQ(from_database_time(kMax - 1), kMax);
}

TEST(DatabaseTime, RoundTrip_KeepsMicroseconds) {
  for (const int64_t us : {int64_t{0}, int64_t{-1}, int64_t{1'700'000'000'123'456}}) {
    EXPECT_EQ(from_database_time(to_database_time(us)), us);
  }
}

TEST(Params, Values_AreInOrderWithNulls) {
  Params params;
  params.add_int8(-1).add_null().add_text("x").add_int4(7);
  ASSERT_EQ(params.values().size(), 4U);
  EXPECT_EQ(params.values()[0].bytes, std::string(8, '\xff'));
  EXPECT_TRUE(params.values()[1].is_null);
  EXPECT_EQ(params.values()[2].bytes, "x");
  EXPECT_EQ(read_int32(params.values()[3].bytes), 7);
}

}  // namespace
}  // namespace mana_sync::store
