#include "mana_sync/base/spare_strings.h"

#include <gtest/gtest.h>

#include "mana_sync/base/limits.h"

namespace mana_sync {
namespace {

TEST(SpareStringsTest, WhatWasKeptIsTakenAgainEmpty) {
  std::string text = take_spare_string(limits::kSpareStringBytesMin);
  text = std::string(limits::kSpareStringBytesMin, 'x');
  const char* const memory = text.data();
  keep_spare_string(std::move(text));
  const std::string again = take_spare_string(1);
  EXPECT_EQ(again.data(), memory);
  EXPECT_EQ(again, "");
}

TEST(SpareStringsTest, StringsThatAreTooShortOrTooLongAreFreed) {
  keep_spare_string("short");
  keep_spare_string(std::string(limits::kSpareStringBytesMax + 1, 'x'));
  EXPECT_LT(take_spare_string(0).capacity(), limits::kSpareStringBytesMin);
}

}  // namespace
}  // namespace mana_sync
