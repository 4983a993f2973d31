// Pushes' bodies, and what is read of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "mana_sync/sync/changeset.h"

namespace mana_sync::sync::testing {

inline constexpr int64_t kTenMs = 1'704'103'200'000;  // 2024-01-01T10:00:00Z

class ChangesetTest : public ::testing::Test {
 protected:
  Result<Changeset> try_read(std::string body) { return reader_.read(body); }

  Changeset read(std::string body) {
    auto changeset = try_read(body);
    EXPECT_TRUE(changeset) << body << "\n" << (changeset ? "" : changeset.error().message);
    return changeset ? std::move(*changeset) : Changeset{};
  }

  // The one change that `members` make, with a table and an id.
  Change read_change(std::string_view members) {
    changeset_ = read(body_of(members));
    EXPECT_EQ(changeset_.changes.size(), 1u) << members;
    return changeset_.changes.empty() ? Change{} : changeset_.changes[0];
  }

  std::string error_of(std::string body) {
    const auto changeset = try_read(body);
    if (changeset) return "accepted";
    EXPECT_EQ(changeset.error().code, ErrorCode::kInvalid);
    return changeset.error().message;
  }
  std::string change_error_of(std::string_view members) { return error_of(body_of(members)); }

  static std::string body_of(std::string_view members) {
    return R"({"changes":[{"table":"t","id":"r",)" + std::string(members) + "}]}";
  }

  static const Edit* find(const Change& change, std::string_view field) {
    for (const Edit& edit : change.edits) {
      if (edit.field == field) return &edit;
    }
    return nullptr;
  }

  Counter sanitized_;
  ChangesetReader reader_{sanitized_};
  Changeset changeset_;
};

}  // namespace mana_sync::sync::testing
