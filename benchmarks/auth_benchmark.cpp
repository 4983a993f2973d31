// What it takes to know whose request it is.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "allocation_counter.h"
#include "auth/signing.h"
#include "mana_sync/auth/authenticator.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"

namespace mana_sync::auth {
namespace {

using testing::key_set_of;
using testing::TestKey;

class AuthBenchmark : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State&) override { forget_tokens(); }

 protected:
  [[nodiscard]] std::vector<std::string> tokens(int64_t count) const {
    std::vector<std::string> tokens;
    for (int64_t i = 0; i < count; ++i) {
      tokens.push_back(key_.sign(
          fmt::format(R"({{"sub":"3f2c8a7e-5b1d-4c9e-8f60-{:012}","iss":"https://id.example.com",)"
                      R"("aud":"mana-sync","iat":1700000000,"exp":1800000000}})",
                      i)));
    }
    return tokens;
  }
  // The keys that vouched for them leave, and come back.
  void forget_tokens() {
    authenticator_.on_keys(other_keys_);
    authenticator_.on_keys(keys_);
  }
  void check(benchmark::State& state, const std::string& token) {
    authenticator_.authenticate(token, [&](AuthResult result) {
      if (!result) state.SkipWithError(result.error().message.c_str());
    });
  }

  const TestKey key_{"key-2024", 7};
  const std::shared_ptr<const KeySet> keys_ = key_set_of({key_});
  const std::shared_ptr<const KeySet> other_keys_ = key_set_of({TestKey("another", 8)});
  const ManualClock clock_;
  Metrics metrics_;
  Authenticator authenticator_{{}, clock_, metrics_, [] {}};
};

BENCHMARK_DEFINE_F(AuthBenchmark, remembered_token)(benchmark::State& state) {
  const std::vector<std::string> all = tokens(state.range(0));
  for (const std::string& token : all) check(state, token);
  AllocationCounter allocations(state);
  size_t next = 0;
  for (auto _ : state) {
    allocations.count([&] { check(state, all[next]); });
    next = next + 1 < all.size() ? next + 1 : 0;
  }
}
BENCHMARK_REGISTER_F(AuthBenchmark, remembered_token)->ArgName("users")->Arg(1)->Arg(10'000);

BENCHMARK_DEFINE_F(AuthBenchmark, new_token)(benchmark::State& state) {
  const std::vector<std::string> all = tokens(4'096);
  AllocationCounter allocations(state);
  size_t next = 0;
  for (auto _ : state) {
    allocations.count([&] { check(state, all[next]); });
    if (++next < all.size()) continue;
    state.PauseTiming();
    forget_tokens();
    next = 0;
    state.ResumeTiming();
  }
}
BENCHMARK_REGISTER_F(AuthBenchmark, new_token);

}  // namespace
}  // namespace mana_sync::auth

BENCHMARK_MAIN();
