#include "mana_sync/base/shared_text.h"

#include <gtest/gtest.h>

namespace mana_sync {
namespace {

TEST(SharedTextTest, CopiesShareTheirBytesAndOutliveTheFirst) {
  SharedText copy;
  EXPECT_EQ(copy.str(), "");
  {
    const SharedText text("a text too long for a string's own room");
    copy = text;
    EXPECT_EQ(copy.str().data(), text.str().data());
  }
  EXPECT_EQ(copy, "a text too long for a string's own room");
}

TEST(SharedTextTest, ComparesByItsBytes) {
  EXPECT_EQ(SharedText("a"), SharedText(std::string("a")));
  EXPECT_EQ(SharedText(), SharedText(""));
  EXPECT_NE(SharedText("a"), SharedText("b"));
  EXPECT_LT(SharedText(), SharedText("a"));
}

}  // namespace
}  // namespace mana_sync
