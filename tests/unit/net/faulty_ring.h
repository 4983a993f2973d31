// A ring that misbehaves as the kernel may: the linker puts these functions in the place of Ring's
// (--wrap), and they change what comes to pass before the loop sees it. What they tell is true:
// bytes of a short send left, a receive that ended has ended.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mana_sync::net {

enum class Fault : uint8_t {
  kShortSend,
  kInterruptedSend,   // EINTR, EAGAIN
  kFailedSend,        // EPIPE, ECONNRESET, ECANCELED: ends the connection
  kLostMore,          // a multishot operation ends with a completion like any other
  kCanceled,          // ECANCELED though nobody asked; so the next
  kInterrupted,       // EINTR
  kNoBuffers,         // ENOBUFS of a receive
  kFailedReceive,     // ECONNRESET, ETIMEDOUT: ends the connection
  kNoDescriptors,     // EMFILE, ENFILE, ENOMEM of an accept
  kAbortedConnection  // ECONNABORTED of an accept
};
inline constexpr size_t kFaultCount = 10;

struct RingFaults {
  uint32_t seed = 1;
  unsigned one_in = 0;  // of submissions and completions; 0: none
  bool are_fatal = false;
};

// From now on the rings of this thread have these faults.
void set_ring_faults(const RingFaults& faults);

// How often each fault came to pass since set_ring_faults().
[[nodiscard]] const std::array<size_t, kFaultCount>& ring_faults_made();

}  // namespace mana_sync::net
