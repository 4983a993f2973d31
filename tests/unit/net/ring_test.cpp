#include "ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "syscall_filter.h"

namespace mana_sync::net {
namespace {

using ::testing::ContainsRegex;

void print_why_create_fails(unsigned system_call, int error) {
  fail_system_call(system_call, error);
  const auto ring = Ring::create(64);
  if (!ring) std::fprintf(stderr, "%s", ring.error().message.c_str());
  std::_Exit(ring ? 1 : 0);
}

TEST(RingDeathTest, WithoutIoUringTheErrorNamesTheSysctl) {
  const char* const hint = "io_uring is not available .*sysctl kernel.io_uring_disabled";
  for (const int error : {EPERM, ENOSYS}) {
    EXPECT_EXIT(print_why_create_fails(SYS_io_uring_setup, error), ::testing::ExitedWithCode(0),
                ContainsRegex(hint));
  }
}

TEST(RingDeathTest, WithoutBufferRingsTheErrorNamesTheCall) {
  EXPECT_EXIT(print_why_create_fails(SYS_io_uring_register, EINVAL), ::testing::ExitedWithCode(0),
              ContainsRegex("io_uring_register_buf_ring: Invalid argument"));
}

}  // namespace
}  // namespace mana_sync::net
