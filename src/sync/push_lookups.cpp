// The asking half of the push service: what a push must know before it can be judged.
#include <utility>

#include "mana_sync/base/json_text.h"
#include "push_service.h"
#include "repeats.h"
#include "stored_insert.h"

namespace mana_sync::sync {
namespace {

// What an insert without an edit time says, whatever it says of when.
std::string data_to_find(const Change& insert) {
  std::string data = "{";
  for (const Edit& edit : insert.edits) {
    if (edit.field == kUpdatedAt) continue;
    if (data.size() > 1) data += ',';
    append_json_string(data, edit.field);
    data += ':';
    data += edit.value;
  }
  data += '}';
  return data;
}

}  // namespace

void PushService::start_lookup(Stream& stream, WaitingPush& push, Unknowns unknowns) {
  lookups_.add();
  LookupQuery query{.stream = stream.name,
                    .cells = std::move(unknowns.cells),
                    .client_id = push.changeset.client_id,
                    .records = {}};
  for (const size_t index : unknowns.inserts) {
    const Change& change = push.changeset.changes[index];
    query.records.push_back(
        {std::string(change.table), std::string(change.record), data_to_find(change)});
  }
  store_.lookup(std::move(query),
                [this, &stream, unknowns = std::move(unknowns)](Result<Lookup> found) mutable {
                  on_looked_up(stream, std::move(unknowns), std::move(found));
                });
}

void PushService::on_looked_up(Stream& stream, Unknowns unknowns, Result<Lookup> found) {
  // Only this service takes pushes out of the queue, and not while the stream is busy.
  WaitingPush& push = *stream.queue.front();
  if (!found) {
    refuse(take_first(stream), found.error().code, found.error().message);
    return become_idle(stream);
  }
  push.asked = true;
  for (size_t i = 0; i < unknowns.cell_keys.size(); ++i) {
    std::optional<Cell> cell = stream.cells.find(unknowns.cell_keys[i]);
    if (!cell || !found->cells[i]) continue;
    cell->value_hash = scratch_.hash_of(found->cells[i]->value);
    stream.cells.set(unknowns.cell_keys[i], *cell);
  }
  const StoredInserts stored(found->inserts, scratch_);
  for (const size_t index : unknowns.inserts) {
    if (stored.hold(push.changeset.changes[index], stream.cells)) {
      push.facts.repeated_inserts.push_back(index);
    }
  }
  become_idle(stream);
}

}  // namespace mana_sync::sync
