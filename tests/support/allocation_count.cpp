#include "support/allocation_count.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {
constinit thread_local size_t count = 0;
}  // namespace

size_t mana_sync::allocation_count() {
  return count;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(size_t bytes) {
  ++count;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  ++count;
  void* memory = nullptr;
  const size_t aligned_to = std::max(static_cast<size_t>(alignment), sizeof(void*));
  if (::posix_memalign(&memory, aligned_to, bytes == 0 ? 1 : bytes) == 0) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif
