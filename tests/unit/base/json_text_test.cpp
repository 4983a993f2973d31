#include "mana_sync/base/json_text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace mana_sync {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string minified(std::string_view json) {
  std::string out;
  append_minified(out, json);
  return out;
}

using Members = std::vector<std::pair<std::string, std::string>>;

Members members_of(std::string_view json) {
  Members members;
  for (JsonMembers walk(json); walk.next();) {
    members.emplace_back(std::string(walk.key()), std::string(walk.value()));
  }
  return members;
}

TEST(AppendJsonString, EscapesWhatMustBeEscaped) {  // RFC 8259 §7
  EXPECT_EQ(quoted(""), R"("")");
  EXPECT_EQ(quoted("plain ä€😀/\x7f"), "\"plain ä€😀/\x7f\"");
  EXPECT_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quoted("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(quoted(std::string_view("\0\x01\x1f\b\f", 5)), R"("\u0000\u0001\u001f\u0008\u000c")");
}

TEST(AppendJsonString, ReplacesWhatIsNotUtf8) {  // RFC 3629 §4
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(quoted("a\xff\"b"), "\"a" + replacement + "\\\"b\"");
  EXPECT_EQ(quoted("\xc3"), '"' + replacement + '"');
  EXPECT_EQ(quoted("\xe2\x82"), '"' + replacement + replacement + '"');
  EXPECT_EQ(quoted("\xc0\x80"), '"' + replacement + replacement + '"');
  EXPECT_EQ(quoted("\xe0\x80\x80x"), '"' + replacement + replacement + replacement + "x\"");
  EXPECT_EQ(quoted("\xed\xa0\x80"), '"' + replacement + replacement + replacement + '"');
  EXPECT_EQ(quoted("\xf4\x90\x80\x80"),
            '"' + replacement + replacement + replacement + replacement + '"');
}

TEST(AppendMinified, RemovesWhitespaceOutsideStringsOnly) {
  EXPECT_EQ(minified(R"({"a": [1, 2], "b c": " d \" e ", "f": {} })"),
            R"({"a":[1,2],"b c":" d \" e ","f":{}})");
  EXPECT_EQ(minified("\t[\n1 ,\r\n\" x \" ] "), "[1,\" x \"]");
  EXPECT_EQ(minified(R"(" \\")"), R"(" \\")");
  EXPECT_EQ(minified(""), "");
}

TEST(JsonMembers, WalksAnObjectAsPostgresPrintsIt) {
  EXPECT_EQ(
      members_of(R"({"a": 1, "b": "x, }\" y", "c": {"d": [1, {"e": "]"}]}, "f": null})"),
      (Members{
          {"a", "1"}, {"b", R"("x, }\" y")"}, {"c", R"({"d": [1, {"e": "]"}]})"}, {"f", "null"}}));
}

TEST(JsonMembers, LeavesEscapesInNamesUntouched) {
  EXPECT_EQ(members_of(R"({"a\"b\\": [], "": -1.5e3})"),
            (Members{{R"(a\"b\\)", "[]"}, {"", "-1.5e3"}}));
}

TEST(JsonMembers, HasNoneWhereThereIsNoObject) {
  for (const char* json : {"", "null", "[1, 2]", "\"{}\"", "{}", " { } ", "12"}) {
    EXPECT_EQ(members_of(json), Members{}) << json;
  }
}

TEST(JsonMembers, WalksAnObjectWithoutWhitespaceAndWithMuch) {
  EXPECT_EQ(members_of(R"({"a":true,"b":[],"c":"d"})"),
            (Members{{"a", "true"}, {"b", "[]"}, {"c", R"("d")"}}));
  EXPECT_EQ(members_of(" {\n\"a\" :\t1 ,\r\n \"b\" : { } }\n"),
            (Members{{"a", "1"}, {"b", "{ }"}}));
}

TEST(FindMember, FindsTheLastOfAName_AndNoneBelow) {
  EXPECT_EQ(find_member(R"({"a": 1, "b": 2, "a": 3})", "a"), "3");
  EXPECT_EQ(find_member(R"({"b": {"a": 1}})", "a"), std::nullopt);
  EXPECT_EQ(find_member("[]", "a"), std::nullopt);
}

TEST(PlainString, IsWhatStandsBetweenTheQuotes) {
  EXPECT_EQ(plain_string(R"("2024-01-01T10:00:00Z")"), "2024-01-01T10:00:00Z");
  EXPECT_EQ(plain_string(R"("")"), "");
  for (const char* json : {"", "\"", "1", "null", R"("a\n")", "{}", R"("a)"}) {
    EXPECT_EQ(plain_string(json), std::nullopt) << json;
  }
}

TEST(MemberFinder, FindsInAnyOrder) {
  MemberFinder finder(R"({"a": 1, "bb": "x", "c": [2], "d": {"e": 3}})");
  EXPECT_EQ(finder.find("a"), "1");
  EXPECT_EQ(finder.find("bb"), "\"x\"");
  EXPECT_EQ(finder.find("missing"), std::nullopt);
  EXPECT_EQ(finder.find("d"), R"({"e": 3})");
  EXPECT_EQ(finder.find("c"), "[2]");
  EXPECT_EQ(finder.find("a"), "1");
  EXPECT_EQ(finder.find("e"), std::nullopt);
}

TEST(MemberFinder, FindsNothingInWhatIsNoObject) {
  for (const char* json : {"", "null", "[1]", "\"a\""}) {
    MemberFinder finder(json);
    EXPECT_EQ(finder.find("a"), std::nullopt);
  }
}

}  // namespace
}  // namespace mana_sync
