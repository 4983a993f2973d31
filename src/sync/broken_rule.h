// A rule that this build breaks on purpose, so that tests/sim can show that the simulator finds it:
// kNone in every build but those of tests/sim/meson.build, and never in the server.
#pragma once

namespace mana_sync::sync {

enum class BrokenRule {
  kNone,
  kTie,            // a newcomer keeps a tie (PROTOCOL 5.2)
  kReceipt,        // a receipt-timed insert beats its author's edit (PROTOCOL 5.8)
  kCursor,         // a cursor is the time of now, whatever is in flight (PROTOCOL 10.1)
  kOverlay,        // what failed stays in memory (ARCHITECTURE §4)
  kCorrection,     // the winners of lost edits are not sent (PROTOCOL 5.6)
  kNotifyEarly,    // sockets are told before the commit (PROTOCOL 6.2)
  kNotifyMerge,    // what comes while a notice waits is lost (PROTOCOL 6.2)
  kNotifyUnknown,  // a commit of unknown outcome is not told
};

#ifndef MANA_SYNC_BROKEN_RULE
#define MANA_SYNC_BROKEN_RULE kNone
#endif

// Internal linkage: units of one test program are compiled with different values.
constexpr BrokenRule kBrokenRule = BrokenRule::MANA_SYNC_BROKEN_RULE;

}  // namespace mana_sync::sync
