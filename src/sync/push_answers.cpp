// The answering half of the push service: what a push that is stored is told.
#include <utility>

#include "mana_sync/base/limits.h"
#include "push_service.h"

namespace mana_sync::sync {

PullRequest PushService::delta_for(StreamName stream, Changeset& changeset) {
  PullRequest delta{.stream = std::move(stream),
                    .tables = {},
                    .since_us = changeset.since_us,
                    .exclude_client = std::nullopt,
                    .changes_max = limits::kPushDeltaChangesMax};
  // Without an id nobody knows who is "another client": nothing that others may have written is
  // left out (docs/PROTOCOL.md, pushes).
  if (!changeset.client_id.empty()) delta.exclude_client = std::move(changeset.client_id);
  return delta;
}

void PushService::answer_stored(Stream& stream, std::unique_ptr<WaitingPush> push) {
  if (!push->restated.empty()) {
    release(push->bytes);
    return push->done({});
  }
  std::vector<CellName> cells = cells_to_look_up(push->changeset, push->merged, stream.cells);
  if (cells.empty()) return report(std::move(push), {});
  lookups_.add();
  LookupQuery query{
      .stream = stream.name, .cells = std::move(cells), .client_id = {}, .records = {}};
  store_.lookup(std::move(query), [this, push = std::move(push)](Result<Lookup> found) mutable {
    // It is stored all the same: when the client repeats it, it is told.
    if (!found) return refuse(std::move(push), ErrorCode::kUnavailable, found.error().message);
    report(std::move(push), std::move(found->cells));
  });
}

void PushService::report(std::unique_ptr<WaitingPush> push,
                         std::vector<std::optional<StoredCell>> found) {
  const size_t bytes = push->bytes;
  PushReport report;
  if (!push->merged.disputed.empty()) {
    report = make_report(push->changeset, push->merged, std::move(found), scratch_, ids_,
                         clock_.wall_us());
    conflicts_.add(static_cast<int64_t>(report.conflict_count));
    corrections_.add(static_cast<int64_t>(report.corrections.size()));
  }
  report.own = push->own;
  // It counts against the bounds until it is answered, now with what it is told as well.
  for (const Correction& correction : report.corrections) {
    for (const CorrectedCell& cell : correction.cells) push->bytes += cell.value.size();
  }
  push->bytes += report.conflicts.size();
  waiting_bytes_ += push->bytes - bytes;
  // A few bytes may ask for very many. When the client repeats them, it is told.
  if (waiting_ > 1 && waiting_bytes_ > limits::kWaitingPushBytesMax) {
    count(PushBound::kBytes);
    return refuse(std::move(push), ErrorCode::kUnavailable, kTooBusy);
  }
  answer(std::move(push), std::move(report));
}

void PushService::answer(std::unique_ptr<WaitingPush> push, PushReport report) {
  // Only of corrections something may be left over: then it must be known what stream it is for.
  const bool needs_name = !report.corrections.empty();
  PullRequest delta =
      delta_for(needs_name ? push->stream : std::move(push->stream), push->changeset);
  // What the push said is not needed any more, and the answer may have to wait for the store.
  push->changeset = {};
  push->merged = {};
  pulls_.answer_push(std::move(delta), std::move(report),
                     [this, push = std::move(push)](Result<Answered> answered) mutable {
                       if (answered && !answered->left_over.empty()) {
                         return store_left_over(std::move(push), std::move(*answered));
                       }
                       release(push->bytes);
                       if (!answered) return push->done(std::unexpected(answered.error()));
                       push->done(std::move(answered->body));
                     });
}

// Its stamps come after the answer's cursor: the pages that follow bring it (PROTOCOL 5.6).
void PushService::store_left_over(std::unique_ptr<WaitingPush> push, Answered answered) {
  auto corrections = std::make_unique<WaitingPush>();
  corrections->bytes = answered.body.size();
  for (const Correction& correction : answered.left_over) {
    for (const CorrectedCell& cell : correction.cells) corrections->bytes += 2 * cell.value.size();
  }
  if (const auto bound = find_bound(push->stream, corrections->bytes)) {
    count(*bound);
    return refuse(std::move(push), ErrorCode::kUnavailable, kTooBusy);
  }
  corrections->stream = std::move(push->stream);
  corrections->restated = std::move(answered.left_over);
  corrections->done = [this, body = std::move(answered.body),
                       push = std::move(push)](Result<GatheredText> stored) mutable {
    release(push->bytes);
    if (!stored) return push->done(std::unexpected(std::move(stored.error())));
    push->done(std::move(body));
  };
  enqueue(std::move(corrections));
}

}  // namespace mana_sync::sync
