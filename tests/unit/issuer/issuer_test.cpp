// The developer issuer, as a program: what it publishes verifies what it signs.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "mana_sync/auth/jwt.h"
#include "mana_sync/auth/key_set.h"

namespace mana_sync::auth {
namespace {

namespace fs = std::filesystem;

class IssuerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(directory_);
    ASSERT_TRUE(run("init"));
  }
  void TearDown() override { fs::remove_all(directory_); }

  // The lines it printed; nullopt if it failed. `arguments` follow the directory.
  std::optional<std::vector<std::string>> run(const std::string& command,
                                              const std::string& arguments = "") {
    const std::string line =
        std::string(ISSUER) + " " + command + " " + directory_.string() + " " + arguments;
    FILE* pipe = ::popen((line + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return std::nullopt;
    std::string output;
    char buffer[4096];
    while (const size_t got = std::fread(buffer, 1, sizeof buffer, pipe))
      output.append(buffer, got);
    if (::pclose(pipe) != 0) return std::nullopt;
    std::vector<std::string> lines;
    std::istringstream stream(output);
    while (std::getline(stream, output)) lines.push_back(output);
    return lines;
  }
  std::string token(const std::string& arguments) {
    const auto lines = run("token", arguments);
    return lines && lines->size() == 1 ? lines->front() : "";
  }
  std::string read(const char* name) {
    std::ifstream file(directory_ / name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  // The claims, if the published keys verify the token.
  Result<Claims> verified(const std::string& token, const ClaimRules& rules = {}) {
    const auto keys = KeySet::parse(read("jwks.json"));
    if (!keys) return std::unexpected(keys.error());
    const auto parsed = parse_token(token);
    if (!parsed) return std::unexpected(parsed.error());
    const PublicKey* key = (*keys)->find(parsed->kid);
    if (key == nullptr || !verify_signature(*parsed, *key)) {
      return fail(ErrorCode::kUnauthorized, "not by a published key");
    }
    return parse_claims(parsed->claims_json, rules);
  }

  const fs::path directory_ =
      fs::temp_directory_path() / ("mana_sync_issuer_test." + std::to_string(::getpid()));
};

TEST_F(IssuerTest, KeyIsPrivateAndInitKeepsIt) {
  struct stat info {};
  ASSERT_EQ(::stat((directory_ / "key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const std::string key = read("key");
  const std::string jwks = read("jwks.json");
  ASSERT_TRUE(run("init"));
  EXPECT_EQ(read("key"), key);
  EXPECT_EQ(read("jwks.json"), jwks);
  fs::remove(directory_ / "jwks.json");
  ASSERT_TRUE(run("init"));
  EXPECT_EQ(read("jwks.json"), jwks);
}

TEST_F(IssuerTest, TokenVerifiesAndSaysWhatWasAsked) {
  const auto now_s = static_cast<double>(std::time(nullptr));
  const auto claims =
      verified(token("--sub 'a\"d\\a' --ttl 60 --issuer https://id --audience mana"),
               {"https://id", "mana"});
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->subject, "a\"d\\a");
  EXPECT_GE(claims->times.expires_at_s, now_s + 60);
  EXPECT_LE(claims->times.expires_at_s, now_s + 90);
  EXPECT_FALSE(verified(token("--sub u"), {"https://id", ""}));
}

TEST_F(IssuerTest, CountPrintsATokenForEachOfManyUsers) {
  const auto tokens = run("token", "--sub u --count 3");
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const auto claims = verified((*tokens)[i]);
    ASSERT_TRUE(claims);
    EXPECT_EQ(claims->subject, "u-" + std::to_string(i + 1));
  }
}

TEST_F(IssuerTest, RotateReplacesTheKey_AndKeepLeavesTheOldOnesPublished) {
  const std::string first = token("--sub first");
  ASSERT_TRUE(run("rotate", "--keep"));
  const std::string second = token("--sub second");
  ASSERT_TRUE(run("rotate", "--keep"));
  EXPECT_TRUE(verified(first));
  EXPECT_TRUE(verified(second));
  EXPECT_TRUE(verified(token("--sub third")));
  ASSERT_TRUE(run("rotate"));
  EXPECT_FALSE(verified(first));
  EXPECT_FALSE(verified(second));
  EXPECT_TRUE(verified(token("--sub fourth")));
}

TEST_F(IssuerTest, FailsWithoutAKey) {
  fs::remove(directory_ / "key");
  EXPECT_FALSE(run("token", "--sub u"));
  EXPECT_FALSE(run("token"));
}

}  // namespace
}  // namespace mana_sync::auth
