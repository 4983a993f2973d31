// The simulator finds an engine that breaks one rule (sync/broken_rule.h): which one, the build
// says (meson.build).
#include "broken_rule.h"

#include <gtest/gtest.h>

#include "seed_note.h"
#include "world.h"

namespace mana_sync::sim {
namespace {

constexpr uint64_t kSeeds = 2'000;

TEST(BrokenRuleTest, IsFoundWithinTwoThousandSeeds) {
  ASSERT_NE(sync::kBrokenRule, sync::BrokenRule::kNone);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    note_seed(seed);
    const RunResult result = run_world(seed);
    if (!result.failure) continue;
    fmt::print("found by seed {}: {}\n", seed, *result.failure);
    return;
  }
  FAIL() << "none of " << kSeeds << " seeds failed";
}

}  // namespace
}  // namespace mana_sync::sim
