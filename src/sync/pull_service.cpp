#include "pull_service.h"

#include <algorithm>

#include "answer_body.h"
#include "broken_rule.h"
#include "mana_sync/base/limits.h"
#include "page_body.h"

namespace mana_sync::sync {
namespace {

using Delta = PullService::Delta;

// Whether the delta's pages bring the row that says so: up to its end, or after it.
bool brings(const Delta& delta, const StampRange& own, const CorrectedCell& cell) {
  return cell.stamp_us > delta.since_us && !own.contains(cell.stamp_us) &&
         cell.client_id != delta.exclude_client;
}

bool holds(const Delta& delta, const StampRange& own, const CorrectedCell& cell) {
  return brings(delta, own, cell) && cell.stamp_us <= delta.synced_until_us;
}

// What the winners that no page brings take in an answer, roughly and never less: the delta leaves
// them the room, since it can go on in the next page, and they would have to be stored.
size_t bytes_reserved(const Delta& delta, const PushReport& report) {
  constexpr size_t kChangeBytes = 160;  // of a change and of a field, beside names and values
  constexpr size_t kFieldBytes = 90;
  size_t bytes = 0;
  for (const Correction& correction : report.corrections) {
    for (const CorrectedCell& cell : correction.cells) {
      if (brings(delta, report.own, cell)) continue;
      bytes += kChangeBytes + correction.table.size() + correction.record.size() + kFieldBytes +
               cell.field.size() + cell.value.size();
    }
  }
  return bytes;
}

size_t delta_bytes_max(size_t bytes_max, const Delta& delta, const PushReport& report) {
  return bytes_max - std::min(bytes_reserved(delta, report), bytes_max - 1);
}

// Adds the winners that the delta does not hold, as far as there is room for them, those first that
// no page brings; returns what is left of these (PROTOCOL 5.6).
std::vector<Correction> add_corrections(AnswerBody& body, const Delta& delta, PushReport& report) {
  std::vector<Correction> left_over;
  if (kBrokenRule == BrokenRule::kCorrection) return left_over;
  const auto is_brought = [&](const CorrectedCell& cell) {
    return brings(delta, report.own, cell);
  };
  std::ranges::stable_partition(report.corrections, [&](const Correction& correction) {
    return !std::ranges::all_of(correction.cells, is_brought);
  });
  // A delta of one change is as small as can be: it takes no room from them, so that a repeat of
  // the push finds room for what there was room for, and has nothing to store (PROTOCOL 2.2).
  const size_t bytes_max = limits::kAnswerBytesMax + (body.count() == 1 ? body.bytes() : 0);
  for (Correction& correction : report.corrections) {
    std::erase_if(correction.cells,
                  [&](const CorrectedCell& cell) { return holds(delta, report.own, cell); });
    if (correction.cells.empty()) continue;
    const size_t bytes = body.bytes();
    KeptTexts texts;
    body.add_correction(correction_row(correction, texts));
    if (body.bytes() <= bytes_max) continue;
    body.shrink_corrections(bytes);
    std::erase_if(correction.cells, is_brought);
    if (!correction.cells.empty()) left_over.push_back(std::move(correction));
  }
  return left_over;
}

ChangePage finish(PageBody body, const Delta& delta, PushReport&) {
  return std::move(body).finish(delta.synced_until_us, delta.has_more);
}

Answered finish(AnswerBody body, const Delta& delta, PushReport& report) {
  std::vector<Correction> left_over = add_corrections(body, delta, report);
  const bool has_more = delta.has_more || !left_over.empty();
  return {.body = std::move(body).finish(report.conflicts, delta.synced_until_us, has_more),
          .left_over = std::move(left_over)};
}

// The end of the rows that share `rows[begin]`'s stamp. The server gives no stamp twice, but other
// programs write rows too, and a page that ended between two of one stamp would lose the second.
size_t end_of_stamp(std::span<const ChangeRow> rows, size_t begin) {
  size_t end = begin + 1;
  while (end < rows.size() && rows[end].stamp_us == rows[begin].stamp_us) ++end;
  return end;
}

// Takes as much of `rows` as an answer may hold (PROTOCOL 2.4, 3.2), and one stamp's at least.
// Returns how many were taken, with those in `own`, which are not sent.
template <class Body>
size_t add_rows(Body& body, std::span<const ChangeRow> rows, size_t changes_max, size_t bytes_max,
                const StampRange& own) {
  size_t taken = 0;
  while (taken < rows.size()) {
    const size_t end = end_of_stamp(rows, taken);
    const typename Body::Mark mark = body.mark();
    for (size_t i = taken; i < end; ++i) {
      if (!own.contains(rows[i].stamp_us)) body.add(rows[i]);
    }
    const bool too_much = body.count() > changes_max || body.bytes() > bytes_max;
    if (mark.count > 0 && too_much) {
      body.return_to(mark);
      break;
    }
    taken = end;
  }
  return taken;
}

}  // namespace

PullService::PullService(StorePort& store, StreamCache& cache, Stamps& stamps, Metrics& metrics)
    : store_(store),
      cache_(cache),
      stamps_(stamps),
      from_memory_(metrics.counter("mana_sync_answers_total", "Answers by where they came from",
                                   "from=\"memory\"")),
      from_store_(metrics.counter("mana_sync_answers_total", "Answers by where they came from",
                                  "from=\"store\"")) {}

void PullService::pull(PullRequest request, AnswerCallback done) {
  serve<AnswerBody>(std::move(request), {},
                    [done = std::move(done)](Result<Answered> answered) mutable {
                      if (!answered) return done(std::unexpected(std::move(answered.error())));
                      done(std::move(answered->body));
                    });
}

void PullService::read_page(PullRequest request, ChangePageCallback done) {
  serve<PageBody>(std::move(request), {}, std::move(done));
}

void PullService::answer_push(PullRequest delta, PushReport report, AnsweredCallback done) {
  serve<AnswerBody>(std::move(delta), std::move(report), std::move(done));
}

int64_t PullService::settled_us(const Stream* stream) {
  const bool in_flight = stream != nullptr && stream->first_in_flight_us != 0;
  if (in_flight && kBrokenRule != BrokenRule::kCursor) return stream->first_in_flight_us - 1;
  return stamps_.cursor();
}

template <class Body, class Done>
void PullService::serve(PullRequest request, PushReport report, Done done) {
  if (stamps_.may_be_foreign(request.since_us)) {
    return done(fail(ErrorCode::kUnavailable, "the cursor may be another server's"));
  }
  Stream* stream = cache_.find(request.stream);
  const int64_t settled = settled_us(stream);
  if (settled == 0) {  // before the first lease nothing can be said of any cursor
    return done(fail(ErrorCode::kUnavailable, "no lease on time yet"));
  }
  if (request.since_us >= settled && stream != nullptr && stream->first_in_flight_us != 0) {
    stream->waiting_pulls.push_back([this, request = std::move(request), report = std::move(report),
                                     done = std::move(done)]() mutable {
      serve<Body>(std::move(request), std::move(report), std::move(done));
    });
    return;
  }
  // A cursor later than anything handed out counts as now (PROTOCOL 2.5).
  Delta delta{std::min(request.since_us, settled), settled, false, request.exclude_client};
  if (stream != nullptr) {
    Body body;
    if (from_memory(request, *stream, report, body, delta)) {
      from_memory_.add();
      cache_.count(true);
      return done(finish(std::move(body), delta, report));
    }
  } else {
    // From here on its changes are remembered: who asks again from this answer's cursor on needs no
    // query.
    cache_.remember(request.stream);
  }
  from_store_.add();
  cache_.count(false);
  read_from_store<Body>(std::move(request), delta, std::move(report), std::move(done));
}

template <class Body, class Done>
void PullService::read_from_store(PullRequest request, Delta delta, PushReport report, Done done) {
  const size_t changes_max = request.changes_max;
  const size_t bytes_max = delta_bytes_max(request.bytes_max, delta, report);
  PageQuery query{.stream = std::move(request.stream),
                  .tables = std::move(request.tables),
                  .after_us = delta.since_us,
                  .up_to_us = delta.synced_until_us,
                  .exclude_client = request.exclude_client,
                  .changes_max = changes_max,
                  .bytes_max = bytes_max};
  store_.read_page(
      std::move(query),
      [delta, changes_max, bytes_max, exclude_client = std::move(request.exclude_client),
       report = std::move(report), done = std::move(done)](Result<Page> page) mutable {
        if (!page) return done(std::unexpected(std::move(page.error())));
        delta.exclude_client = exclude_client;
        Body body;
        const size_t taken = add_rows(body, page->rows, changes_max, bytes_max, report.own);
        const bool all_taken = taken == page->rows.size();
        delta.has_more = page->has_more || !all_taken;
        // Without a change in it, a page with more behind it still moves the cursor (PROTOCOL 3.2).
        if (!all_taken) {
          delta.synced_until_us = page->rows[taken - 1].stamp_us;
        } else if (page->has_more) {
          delta.synced_until_us = page->scanned_up_to_us;
        }
        done(finish(std::move(body), delta, report));
      });
}

template <class Body>
bool PullService::from_memory(const PullRequest& request, const Stream& stream,
                              const PushReport& report, Body& body, Delta& delta) {
  if (stream.outdated) return false;
  std::optional<uint64_t> client;
  if (request.exclude_client) client = client_hash(*request.exclude_client);
  if (delta.since_us < stream.tail.start_us()) {
    return stream.state == Stream::State::kReady && !stream.newest.has_news(delta.since_us, client);
  }
  const ChangeTail::Selected selected =
      stream.tail.select({.after_us = delta.since_us,
                          .tables = request.tables,
                          .exclude_client = client,
                          .exclude = report.own,
                          .changes_max = request.changes_max,
                          .bytes_max = delta_bytes_max(request.bytes_max, delta, report),
                          .by_table = Body::kByTable},
                         [&](ChangeTail::Run run) { body.add(std::move(run)); });
  if (selected.has_more) {
    delta.has_more = true;
    delta.synced_until_us = selected.last_us;
  }
  return true;
}

}  // namespace mana_sync::sync
