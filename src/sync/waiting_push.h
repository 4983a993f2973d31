// A push on its way through its stream, and the unit that it is committed in.
#pragma once

#include <absl/container/inlined_vector.h>

#include <memory>
#include <span>
#include <vector>

#include "mana_sync/sync/engine.h"
#include "mana_sync/sync/merge.h"
#include "push_report.h"

namespace mana_sync::sync {

// A client's push, or the server's own of corrections that no answer had room for (PROTOCOL 5.6).
struct WaitingPush {
  StreamName stream;
  Changeset changeset;
  std::vector<Correction> restated;  // in place of a changeset
  AnswerCallback done;
  int64_t deadline_ns = 0;  // steady; after it, nobody waits any more
  size_t bytes = 0;         // what it counts against limits::kWaitingPushBytesMax
  // True exactly after the store was asked for its unknowns, until it is merged.
  bool asked = false;
  // It was in a unit of several that PostgreSQL refused: now it goes alone.
  bool alone = false;
  MergeFacts facts;
  Merged merged;   // without its rows, which are the unit's
  StampRange own;  // of its rows
  // Where they stand in the unit.
  size_t first_row = 0;
  size_t rows = 0;

  [[nodiscard]] size_t changes() const { return changeset.changes.size() + restated.size(); }
};

// What a stream has handed to the store. Holds all that the unit's rows point to.
struct UnitInFlight {
  explicit UnitInFlight(const CellTable& cells) : overlay(cells) {}
  CellOverlay overlay;
  absl::InlinedVector<std::unique_ptr<WaitingPush>, 1> pushes;
  size_t bytes = 0;  // of all its pushes
  CommitUnit unit;

  [[nodiscard]] std::span<const ChangeRow> rows_of(const WaitingPush& push) const {
    return std::span(unit.rows).subspan(push.first_row, push.rows);
  }
};

}  // namespace mana_sync::sync
