// Static probes (USDT): places on a change's way that perf, bpftrace or SystemTap can watch in a
// running release. Each is one nop until somebody does; what it is handed is at hand anyway. Times
// are not taken for their sake: who watches, subtracts. docs/PERFORMANCE.md shows how to use them.
#pragma once

#include <sys/sdt.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mana_sync::probes {

// A connection was accepted, with this descriptor.
inline void accept(int fd) {
  DTRACE_PROBE1(mana_sync, accept, fd);
}

// A request's head was read: where its path stands, not ended by NUL. Then, its answer is about to
// be sent: `route` is the name that metrics have for it, `duration_ns` is from the one to the
// other.
inline void request_start(std::string_view path) {
  DTRACE_PROBE2(mana_sync, request__start, path.data(), path.size());
}
inline void request_done(const char* route, int status, int64_t duration_ns) {
  DTRACE_PROBE3(mana_sync, request__done, route, status, duration_ns);
}

// A push with that many changes is merged; then, what is left of it to store.
inline void merge_start(size_t changes) {
  DTRACE_PROBE1(mana_sync, merge__start, changes);
}
inline void merge_done(size_t changes, size_t rows) {
  DTRACE_PROBE2(mana_sync, merge__done, changes, rows);
}

// A batch of so many units and rows goes to PostgreSQL; then, PostgreSQL has it on its disk.
inline void commit_start(size_t units, size_t rows) {
  DTRACE_PROBE2(mana_sync, commit__start, units, rows);
}
inline void commit_done(size_t units, size_t rows, int64_t duration_ns) {
  DTRACE_PROBE3(mana_sync, commit__done, units, rows, duration_ns);
}

// So many WebSockets and event streams of one user are told of changes.
inline void notify(size_t told) {
  DTRACE_PROBE1(mana_sync, notify, told);
}

}  // namespace mana_sync::probes
