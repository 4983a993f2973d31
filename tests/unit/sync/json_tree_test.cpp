#include "json_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "strict_json.h"

namespace mana_sync::sync {
namespace {

using ::testing::HasSubstr;
using testing::StrictJson;

Result<JsonTree::Value> parse(JsonTree& tree, std::string json) {
  return tree.parse(json);
}

bool accepts(JsonTree& tree, std::string_view json) {
  return parse(tree, std::string(json)).has_value();
}

std::string error_of(std::string json) {
  JsonTree tree;
  const auto value = tree.parse(json);
  return value ? "accepted" : value.error().message;
}

const std::vector<std::string>& valid_documents() {
  static const std::vector<std::string> documents = {
      R"({})",
      R"([])",
      R"({"a":1})",
      R"([1,2])",
      R"(["a","b"])",
      R"({"a":{"b":[1,{"c":null}]},"d":true})",
      R"({"a":"x\"y","b":"\\","c":"\u00e4\ud83d\ude00\n"})",
      R"([-0,1.5,10e-1,1E+2,0.25,12345678901234567890])",
      R"([true,false,null,[[]],[{}],{"":""}])",
      " { \"a\" :\t[ 1 ,\r\n\"b\" ] , \"c\" : { } } ",
      "{\"\xc3\xa4\":\"\xe2\x82\xac\",\"\xf0\x9f\x98\x80\":[\"\x7f\"]}",
      R"({"clientId":"c","changes":[{"table":"t","id":"r","op":"update","fields":{"f":{"value":[1]}}}]})",
      R"({"a":["b",{"c":"d"},"e"],"f":"g"})",
  };
  return documents;
}

constexpr std::string_view kReplacements =
    "{}[]:,\"\\ \n\t01-+.eEtrufalsn/x\x01\x1f\x7f\x80\xc3\xff";

void expect_as_oracle(JsonTree& tree, const std::string& json) {
  EXPECT_EQ(accepts(tree, json), StrictJson::accepts(json)) << json;
}

TEST(JsonTree, AcceptsValidDocuments) {
  JsonTree tree;
  for (const std::string& json : valid_documents()) {
    EXPECT_TRUE(StrictJson::accepts(json)) << json;
    EXPECT_TRUE(accepts(tree, json)) << json;
    EXPECT_TRUE(accepts(tree, " \r\n\t" + json + "\t \r\n")) << json;
  }
}

TEST(JsonTree, RefusesDocumentsCutAnywhere) {  // PROTOCOL 2.10
  JsonTree tree;
  for (const std::string& json : valid_documents()) {
    for (size_t size = 0; size < json.size(); ++size) expect_as_oracle(tree, json.substr(0, size));
  }
}

TEST(JsonTree, JudgesDocumentsWithAByteMissingReplacedOrAddedAsTheGrammarDoes) {
  JsonTree tree;
  for (const std::string& json : valid_documents()) {
    for (size_t at = 0; at <= json.size(); ++at) {
      for (const char byte : kReplacements) {
        std::string mutated = json;
        mutated.insert(at, 1, byte);
        expect_as_oracle(tree, mutated);
        if (at == json.size()) continue;
        mutated = json;
        mutated[at] = byte;
        expect_as_oracle(tree, mutated);
      }
      if (at == json.size()) continue;
      std::string mutated = json;
      mutated.erase(at, 1);
      expect_as_oracle(tree, mutated);
    }
  }
}

TEST(JsonTree, JudgesRandomlyDamagedDocumentsAsTheGrammarDoes) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  JsonTree tree;
  for (int i = 0; i < 100'000 && !HasFailure(); ++i) {
    std::string json = valid_documents()[below(valid_documents().size())];
    for (size_t changes = 1 + below(4); changes > 0; --changes) {
      const size_t at = below(json.size() + 1);
      // Mostly structure: that is where a parser that skips could look away.
      const char byte =
          below(4) != 0 ? kReplacements[below(8)] : kReplacements[below(kReplacements.size())];
      if (below(3) == 0 || at == json.size()) {
        json.insert(at, 1, byte);
      } else if (below(2) == 0) {
        json[at] = byte;
      } else {
        json.erase(at, 1);
      }
    }
    expect_as_oracle(tree, json);
  }
}

TEST(JsonTree, RefusesAStringWithAColonWhereNoKeyIs) {
  JsonTree tree;
  for (const char* json : {R"(["a":1])", R"(["a":1]])", R"({"x":["a":1]]})", R"({"a":"b":1})",
                           R"({"a":"b":1}})", R"({"x":{"a":"b":"c"}}})"}) {
    EXPECT_FALSE(accepts(tree, json)) << json;
  }
}

TEST(JsonTree, RefusesMalformedDocuments) {  // PROTOCOL 2.10
  JsonTree tree;
  for (const std::string& json : std::initializer_list<std::string>{"",
                                                                    " ",
                                                                    "\n",
                                                                    "[01]",
                                                                    "[1.]",
                                                                    "[.5]",
                                                                    "[+1]",
                                                                    "[1e]",
                                                                    "[nul]",
                                                                    "[tru e]",
                                                                    "[truex]",
                                                                    "[True]",
                                                                    "[1,]",
                                                                    "[,1]",
                                                                    "[,]",
                                                                    "{,}",
                                                                    R"({"a":1,})",
                                                                    R"({"a" 1})",
                                                                    R"({"a"})",
                                                                    R"({"a":})",
                                                                    R"({a:1})",
                                                                    R"({1:1})",
                                                                    "{'a':1}",
                                                                    "[1 2]",
                                                                    R"(["a" "b"])",
                                                                    "[1",
                                                                    "{",
                                                                    "[",
                                                                    "]",
                                                                    "}",
                                                                    "[1}",
                                                                    R"({"a":1])",
                                                                    "[[1]",
                                                                    "[1]]",
                                                                    "{}{}",
                                                                    "{} x",
                                                                    "{}[]",
                                                                    "[] 1",
                                                                    "{},",
                                                                    "{}null",
                                                                    "\xef\xbb\xbf{}",
                                                                    "[\"\x01\"]",
                                                                    "[\"\t\"]",
                                                                    "[\"\n\"]",
                                                                    "[\"a]",
                                                                    R"(["\x"])",
                                                                    R"(["\u12"])",
                                                                    R"(["\"])",
                                                                    R"({"\x":1})",
                                                                    "[\"\x80\"]",
                                                                    "[\"\xc0\x80\"]",
                                                                    "[\"\xed\xa0\x80\"]",
                                                                    "[\"\xf4\x90\x80\x80\"]",
                                                                    "{\"\xff\":1}",
                                                                    "[\xc3\xa4]",
                                                                    "[1//]",
                                                                    "[/**/]",
                                                                    "[NaN]",
                                                                    "[1e400]",
                                                                    "[-1e400]",
                                                                    "[1e-400]",
                                                                    std::string("[\0]", 3),
                                                                    std::string("{}\0", 3),
                                                                    std::string("[\"\0\"]", 5),
                                                                    "{\"a\":1\v}",
                                                                    "[1]\f"}) {
    EXPECT_FALSE(accepts(tree, json)) << json;
    EXPECT_FALSE(StrictJson::accepts(json)) << json;
  }
}

TEST(JsonTree, RefusesALoneScalar) {
  JsonTree tree;
  for (const char* json : {"1", "\"a\"", "null", "true", " 1 "}) EXPECT_FALSE(accepts(tree, json));
}

std::string nested(size_t depth, char open, char close) {
  std::string json;
  for (size_t i = 0; i < depth; ++i) {
    json += open;
    if (open == '{' && i + 1 < depth) json += "\"a\":";
  }
  return json + std::string(depth, close);
}

TEST(JsonTree, AcceptsADepthOf512AndNoMore) {  // PROTOCOL 2.10
  JsonTree tree;
  for (const auto& [open, close] : {std::pair('[', ']'), std::pair('{', '}')}) {
    EXPECT_TRUE(accepts(tree, nested(512, open, close)));
    EXPECT_FALSE(accepts(tree, nested(513, open, close)));
    EXPECT_FALSE(accepts(tree, nested(200'000, open, close)));
    EXPECT_FALSE(accepts(tree, nested(200'000, open, close).substr(0, 100'000)));
  }
  EXPECT_THAT(error_of(nested(513, '[', ']')), HasSubstr("nested more than 512 deep"));
}

TEST(JsonTree, NamesThePlace) {  // PROTOCOL 2.10
  EXPECT_EQ(error_of(R"({"changes":[{},{"fields":{"a b":{"value":[1,1e999]}}}]})"),
            "changes[1].fields.a b.value[1]: a number beyond the range of a double");
  EXPECT_EQ(error_of("[nul]"), "[0]: not valid JSON");
  EXPECT_EQ(error_of(R"({"a":1,})"), "not valid JSON");
}

TEST(JsonTree, KeepsAnErrorsMessageShort) {
  const std::string name(100'000, 'n');
  EXPECT_LT(error_of("{\"" + name + "\":nul}").size(), 200u);
  std::string umlauts = "x";
  for (int i = 0; i < 100; ++i) umlauts += "ä";
  EXPECT_THAT(error_of("{\"" + umlauts + "\":nul}"), HasSubstr("ä…: "));
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "{\"" + name.substr(0, 60) + "\":";
  EXPECT_LT(error_of(deep + "nul" + std::string(500, '}')).size(), 500u);
}

TEST(JsonTree, LeavesTheTextWithoutInsignificantWhitespace) {
  JsonTree tree;
  std::string json = " { \"a b\" : [ 1 , \" x \" ,\n{ } ] , \"c\" : 12345678901234567890.10 } ";
  const auto root = tree.parse(json);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->text(), R"({"a b":[1," x ",{}],"c":12345678901234567890.10})");
  EXPECT_EQ(root->member("c")->text(), "12345678901234567890.10");  // PROTOCOL 2.10: every digit
}

TEST(JsonTree, WalksMembersInOrder) {
  JsonTree tree;
  const auto root = parse(tree, R"({"x":{"y":[{"z":1}]},"\u0061":"b\n","":null})");
  ASSERT_TRUE(root);
  const auto x = root->first();
  ASSERT_TRUE(x);
  EXPECT_EQ(x->key(), "x");
  EXPECT_EQ(x->type(), JsonTree::Type::kObject);
  EXPECT_EQ(x->member("y")->first()->member("z")->text(), "1");
  const auto a = x->next();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->key(), "a");
  EXPECT_EQ(a->string(), "b\n");
  const auto empty = a->next();
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->key(), "");
  EXPECT_TRUE(empty->is_null());
  EXPECT_FALSE(empty->next());
  EXPECT_FALSE(root->next());
  EXPECT_FALSE(empty->first());
}

TEST(JsonTree, FindsTheLastMemberOfAName_NullCountsAsAbsent) {  // PROTOCOL 2.9, 2.10
  JsonTree tree;
  const auto root = parse(tree, R"({"a":1,"b":2,"\u0061":3,"b":null,"c":null,"c":[]})");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->member("a")->text(), "3");
  EXPECT_FALSE(root->member("b"));
  EXPECT_EQ(root->member("c")->text(), "[]");
  EXPECT_FALSE(root->member("d"));
  EXPECT_FALSE(root->member("c")->member("a"));
}

TEST(JsonTree, SanitizesKeysAndValues_AndCountsThem) {  // PROTOCOL 2.11
  JsonTree tree;
  const auto root = parse(tree, R"({"a\u0000":"\ud800x","b":["\udc00\u0000"]})");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->text(), R"({"a\ufffd":"\ufffdx","b":["\ufffd\ufffd"]})");
  EXPECT_EQ(root->first()->key(), "a\ufffd");
  EXPECT_EQ(tree.replaced(), 4u);
  ASSERT_TRUE(accepts(tree, "{}"));
  EXPECT_EQ(tree.replaced(), 0u);
}

TEST(JsonTree, KeepsViewsAliveInTheReleasedArena) {
  JsonTree tree;
  const auto root = parse(tree, R"({"a":"one\ttwo","b":[1,2,3]})");
  ASSERT_TRUE(root);
  const std::string_view text = root->member("b")->text();
  const std::string_view unescaped = root->member("a")->string();
  const auto arena = tree.release();
  ASSERT_TRUE(accepts(tree, R"(["something else, longer than the first document was"])"));
  EXPECT_EQ(text, "[1,2,3]");
  EXPECT_EQ(unescaped, "one\ttwo");
}

TEST(JsonTree, ReadsDocumentsOfAnyCapacity) {
  JsonTree tree;
  for (size_t spare = 0; spare < 130; ++spare) {
    std::string json = R"({"a":["b",1,true,null]})";
    json.shrink_to_fit();
    json.reserve(json.size() + spare);
    EXPECT_TRUE(tree.parse(json));
  }
}

TEST(JsonTree, RefusesNumbersThatAreTooLongWhenWrittenOut) {
  // PostgreSQL would print sixty times what was sent.
  std::string few = "[";
  for (int i = 0; i < 1'000; ++i) few += "1e300,";
  few += "0]";
  std::string many = "[";
  for (int i = 0; i < 60'000; ++i) many += "1e300,";
  many += "0]";
  JsonTree tree;
  EXPECT_TRUE(tree.parse(few));
  EXPECT_FALSE(tree.parse(many));
}

}  // namespace
}  // namespace mana_sync::sync
