#include <algorithm>
#include <set>

#include "checks.h"
#include "mana_sync/base/timestamp.h"
#include "wire.h"

namespace mana_sync::sim {
namespace {

// A device's edit lost to an earlier one of its own (its clock was ahead, or stepped back), and was
// answered with that one (5.6); meanwhile its user had made a third, without a time or at no later
// one, and had it overwritten in the local table. It wins by 5.2 or 5.8 where no other client ever
// wrote, so it is not sent back (5.9), and nobody can know.
bool was_overwritten_by_own(const EditLog& edits, const CellId& id, const Reference::Cell& cell,
                            const LocalCell& local) {
  const CellEntry& winner = cell.winner();
  const bool has_others = std::ranges::any_of(cell.winners, [&](const CellEntry& entry) {
    return entry.client_id != winner.client_id;
  });
  if (has_others) return false;
  const auto is_not_later = [&](const MadeEdit& edit) {
    return edit.time_ms.value_or(0) <= local.time_ms;
  };
  bool was_made = false;  // the first
  bool has_lost = false;  // the second
  for (const MadeEdit& edit : edits) {
    if (edit.client_id != winner.client_id || edit.cell != id) continue;
    if (has_lost && edit.value == winner.value && is_not_later(edit)) return true;
    has_lost |= was_made && edit.time_ms != local.time_ms && is_not_later(edit);
    was_made |= edit.value == local.value && edit.time_ms == local.time_ms;
  }
  return false;
}

// A correction that no answer had room for is stored (5.6), and a page brings it to its author
// after the author's next edit of that very millisecond, which wins by 5.2. It takes a server whose
// clock stands still and an answer of 4 MiB.
bool was_overtaken_by_correction(const Reference::Cell& cell, const LocalCell& local) {
  return std::ranges::any_of(cell.stored_corrections, [&](const CellEntry& stored) {
    return stored.time_ms == cell.winner().time_ms && stored.time_ms == local.time_ms &&
           stored.value == local.value;
  });
}

// The parentheses of PROTOCOL 5.10, and what follows from 2.8; nothing else may differ.
bool may_differ(const Device& device, const EditLog& edits, const CellId& id,
                const Reference::Cell& cell, const LocalCell* local) {
  const CellEntry& winner = cell.winner();
  const bool is_own = winner.client_id == device.client_id();
  // The server wrote it (2.7, 5.7), and its author has not heard of it. 5.10: "is not compared".
  const bool is_said_by_server = winner.is_receipt_timed &&
                                 (id.field == "updatedAt" || id.field == "createdAt") &&
                                 winner.value == quoted_time(winner.time_ms);
  if (is_own && is_said_by_server) return true;
  if (local == nullptr) return false;
  // A delete that is taken at its receipt says that time (2.8), and its author another: both say
  // that the record is deleted. So does one that met another's of the very same receipt (5.3).
  if (winner.is_delete && winner.is_receipt_timed && (is_own || local->is_timeless)) {
    return local->value != "null";
  }
  if (is_own && was_overtaken_by_correction(cell, *local)) return true;
  if (is_own && was_overwritten_by_own(edits, id, cell, *local)) return true;
  // 5.10: the server never heard this time, which is ahead of it: until real time has caught up
  // the device refuses what others write.
  return local->is_timeless && local->time_ms > winner.time_ms;
}

}  // namespace

Compared check_device(const Device& device, const Reference& reference, const EditLog& edits,
                      Journal& journal) {
  std::set<CellId> out_of_bounds;
  for (const MadeEdit& edit : edits) {
    if (edit.stream == device.stream() && edit.out_of_bounds) out_of_bounds.insert(edit.cell);
  }
  Compared compared{.cells = reference.cells().size()};
  for (const auto& [id, cell] : reference.cells()) {
    const CellEntry& winner = cell.winner();
    const LocalCell* local = nullptr;
    if (const auto record = device.table().find({id.table, id.record});
        record != device.table().end()) {
      const auto found = record->second.find(id.field);
      if (found != record->second.end()) local = &found->second;
    }
    if (local != nullptr && local->value == winner.value) continue;
    if (out_of_bounds.contains(id) || may_differ(device, edits, id, cell, local)) {
      ++compared.exempt;
      continue;
    }
    journal.fail("5.10: {} is {} at {} with {}, and {} by {} at {} by the rows", id.text(),
                 local == nullptr ? "missing" : local->value, local == nullptr ? 0 : local->time_ms,
                 device.client_id(), winner.value, winner.client_id, winner.time_ms);
  }
  for (const auto& [record, fields] : device.table()) {
    for (const auto& [field, local] : fields) {
      if (reference.find({record.first, record.second, field}) != nullptr) continue;
      journal.fail("5.10: {}/{}.{} is {} with {}, and not stored", record.first, record.second,
                   field, local.value, device.client_id());
    }
  }
  return compared;
}

}  // namespace mana_sync::sim
