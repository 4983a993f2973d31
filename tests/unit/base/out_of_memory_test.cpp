#include "mana_sync/base/out_of_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace mana_sync {
namespace {

// Asks for ever more, in a process of its own that may have a little.
[[noreturn]] void run_out_of_memory() {
  const rlimit few{.rlim_cur = 512 << 20, .rlim_max = 512 << 20};
  setrlimit(RLIMIT_AS, &few);
  end_when_out_of_memory();
  std::vector<void*> kept;  // or the compiler leaves the allocations out
  for (size_t bytes = 1; bytes > 0; bytes *= 2) kept.push_back(::operator new(bytes));
  std::abort();
}

TEST(OutOfMemoryDeathTest, EndsTheProcessWithOneLineAndACodeOfItsOwn) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator reports on its own";
#endif
  EXPECT_EXIT(run_out_of_memory(), testing::ExitedWithCode(kExitOutOfMemory),
              "^\\{\"level\":\"error\",\"event\":\"out_of_memory\".*\\}\n$");
}

}  // namespace
}  // namespace mana_sync
