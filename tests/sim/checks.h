// What must hold when a run has settled. Each fails the run with the rule that was broken.
#pragma once

#include "answer_log.h"
#include "device.h"
#include "edits.h"
#include "journal.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/sync/engine.h"
#include "reference.h"
#include "sim_store.h"

namespace mana_sync::sim {

// Every acknowledged edit is stored or lost to somebody, and each cell's winner is the one that the
// edits themselves, and not only the rows, make it.
void check_edits(size_t stream, const EditLog& edits, const Reference& reference, Journal& journal);

// No answer missed or repeated a change, and each conflict and correction is true (PROTOCOL 5.5,
// 5.6, 10.1, 10.3).
// Returns how many changes were corrections.
size_t check_answers(size_t stream, const AnswerLog& answers, const EditLog& edits,
                     const sync::testing::StoredRows& rows, const Reference& reference,
                     Journal& journal);

// The device has in every cell what the server has (PROTOCOL 5.10).
struct Compared {
  size_t cells = 0;
  size_t exempt = 0;  // of them: differ, and may
};
Compared check_device(const Device& device, const Reference& reference, const EditLog& edits,
                      Journal& journal);

// The engine judges as one does that has just been started over the same rows, and as the rows say.
// It writes: the last of the checks.
struct MemoryCheck {
  sync::StreamName stream;
  sync::Engine& engine;
  SimStore& store;
  ManualClock& clock;
  int64_t high_water_us;
  Dice& dice;
  Journal& journal;
};
void check_memory(const MemoryCheck& check);

}  // namespace mana_sync::sim
