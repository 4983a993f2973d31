// Lets system calls fail, in a process that exits soon after: there is no way back.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <optional>

namespace mana_sync::net {

// From here on system call `number` fails with `error`; if `first_argument` is given, only where
// its low 32 bits are that.
inline void fail_system_call(unsigned number, int error,
                             std::optional<unsigned> first_argument = std::nullopt) {
  const unsigned failure = SECCOMP_RET_ERRNO | static_cast<unsigned>(error);
  const bool is_any = !first_argument.has_value();
  std::array<sock_filter, 6> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | (is_any ? BPF_JGE : BPF_JEQ) | BPF_K, first_argument.value_or(0), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, failure),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  sock_fprog program{.len = filter.size(), .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) std::abort();
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) std::abort();
}

}  // namespace mana_sync::net
