// What hashes of values tell apart, and what they do not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "json_tree.h"

namespace mana_sync::sync {
namespace {

uint64_t hash_of(std::string_view json) {
  static JsonTree tree;
  const uint64_t hash = tree.hash_of(json);
  EXPECT_NE(hash, 0u) << json;
  return hash;
}

TEST(JsonHash, IsEqualForWhatJsonbHoldsEqual) {  // PROTOCOL 5.1
  const std::vector<std::vector<std::string>> classes = {
      {"1", "1.0", "10e-1", "1E0", "0.1e+1"},
      {"0", "-0", "0.00", "0e5"},
      {R"("a")", R"("\u0061")"},
      {R"("/")", R"("\/")", R"("\u002f")", R"("\u002F")"},
      {R"("😀")", R"("\ud83d\ude00")"},
      {R"("\ufffd")", R"("\u0000")", R"("\ud800")", "\"\xef\xbf\xbd\""},
      {R"({"a":1,"b":2})", R"({"b":2.0,"a":1})", R"({"a":5,"b":2,"a":1})",
       R"({ "b" : 2 , "\u0061":1 })"},
      {R"([1,{"x":[2,{"y":3}]}])", R"([1.0,{"x":[2,{"y":3e0,"y":3}]}])"},
      {"true"},
      {"false"},
      {"null"},
      {"[]"},
      {"{}"},
      {R"("")"},
      {R"("null")"},
      {R"("1")"},
      {"[1]"},
      {"[[1]]"},
      {"[1,2]"},
      {"[2,1]"},
      {R"({"a":2,"b":1})"},
      {R"({"a":1})"},
      {R"(["a",1])"},
      {R"({"a":null})"},
      {"[null]"},
      {R"("A")"},
      {R"("a ")"},
      {"9007199254740993"},
      {"9007199254740992"},
      {"-1"},
      {R"([{"a":1},{"b":2}])"},
      {R"([{"a":1,"b":2}])"},
  };
  for (size_t i = 0; i < classes.size(); ++i) {
    for (const std::string& json : classes[i]) {
      EXPECT_EQ(hash_of(json), hash_of(classes[i][0])) << json;
      for (size_t j = 0; j < i; ++j) {
        EXPECT_NE(hash_of(json), hash_of(classes[j][0])) << json << " " << classes[j][0];
      }
    }
  }
}

TEST(JsonHash, IsTheSameInADocumentAndAlone) {
  JsonTree tree;
  std::string json = R"({"a":{"b":[1,"x"]},"c":"2024-01-01T10:00:00.000Z","d":null})";
  const auto root = tree.parse(json);
  ASSERT_TRUE(root);
  const uint64_t a = root->member("a")->hash();
  const uint64_t c = root->member("c")->hash();
  const uint64_t d = root->first()->next()->next()->hash();
  EXPECT_EQ(a, hash_of(R"({"b": [1, "x"]})"));
  EXPECT_EQ(c, hash_of_string("2024-01-01T10:00:00.000Z"));
  EXPECT_EQ(d, hash_of_null());
}

TEST(JsonHash, IsZeroForWhatIsNoJson) {
  JsonTree tree;
  for (const char* json : {"", "nope", "1]", "{", "\"a"}) EXPECT_EQ(tree.hash_of(json), 0u) << json;
}

}  // namespace
}  // namespace mana_sync::sync
