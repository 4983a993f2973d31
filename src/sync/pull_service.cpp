#include "pull_service.h"

#include <algorithm>

#include "change_format.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {
namespace {

// The body of an answer (PROTOCOL §2), change by change.
class AnswerBody {
 public:
  // Does not count what is in `own`.
  void add(const ChangeRow& row, const StampRange& own) {
    if (own.contains(row.stamp_us)) return;
    if (count_ > 0) body_ += ',';
    append_change(body_, row);
    ++count_;
  }
  [[nodiscard]] size_t size() const { return body_.size(); }
  [[nodiscard]] size_t count() const { return count_; }
  // Takes back what was added since it had `size` bytes and `count` changes.
  void shrink(size_t size, size_t count) {
    body_.resize(size);
    count_ = count;
  }

  std::string finish(int64_t synced_until_us, bool has_more) && {
    body_ += "],\"conflicts\":[],\"syncedUntil\":\"";
    append_cursor_us(body_, synced_until_us);
    body_ += '"';
    if (has_more) body_ += ",\"hasMore\":true";
    body_ += '}';
    return std::move(body_);
  }

 private:
  std::string body_ = "{\"serverChanges\":[";
  size_t count_ = 0;
};

// The end of the rows that share `rows[begin]`'s stamp. The server gives no stamp twice, but other
// programs write rows too, and a page that ended between two of one stamp would lose the second.
size_t end_of_stamp(std::span<const ChangeRow> rows, size_t begin) {
  size_t end = begin + 1;
  while (end < rows.size() && rows[end].stamp_us == rows[begin].stamp_us) ++end;
  return end;
}

// Takes as much of `page` as an answer may hold (PROTOCOL 2.4, 3.2), and one stamp's at least.
std::string answer_with(const Page& page, size_t changes_max, const StampRange& own,
                        int64_t settled_us) {
  AnswerBody body;
  size_t taken = 0;
  while (taken < page.rows.size()) {
    const size_t end = end_of_stamp(page.rows, taken);
    const size_t size = body.size();
    const size_t count = body.count();
    for (size_t i = taken; i < end; ++i) body.add(page.rows[i], own);
    const bool too_much = body.count() > changes_max || body.size() > limits::kAnswerBytesMax;
    if (count > 0 && too_much) {
      body.shrink(size, count);
      break;
    }
    taken = end;
  }
  const bool has_more = page.has_more || taken < page.rows.size();
  const int64_t synced_until_us =
      has_more && taken > 0 ? page.rows[taken - 1].stamp_us : settled_us;
  return std::move(body).finish(synced_until_us, has_more);
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

int64_t PullService::settled_us(const Stream* stream) {
  if (stream != nullptr && stream->first_in_flight_us != 0) return stream->first_in_flight_us - 1;
  return stamps_.cursor();
}

void PullService::pull(PullRequest request, StampRange own, AnswerCallback done) {
  Stream* stream = cache_.find(request.stream);
  const int64_t settled = settled_us(stream);
  if (settled == 0) {  // before the first lease nothing can be said of any cursor
    return done(fail(ErrorCode::kUnavailable, "no lease on time yet"));
  }
  if (request.since_us >= settled && stream != nullptr && stream->first_in_flight_us != 0) {
    stream->waiting_pulls.push_back(
        [this, request = std::move(request), own, done = std::move(done)]() mutable {
          pull(std::move(request), own, std::move(done));
        });
    return;
  }
  // A cursor later than anything handed out counts as now (PROTOCOL 2.5).
  const int64_t since_us = std::min(request.since_us, settled);
  if (stream != nullptr && stream->is_current()) {
    std::optional<uint64_t> client;
    if (request.exclude_client) client = client_hash(*request.exclude_client);
    if (!stream->has_news(since_us, client)) {
      from_memory_.add();
      done(AnswerBody().finish(settled, false));
      return;
    }
  }
  from_store_.add();
  const size_t changes_max = request.changes_max;
  store_.read_page({.stream = std::move(request.stream),
                    .tables = std::move(request.tables),
                    .after_us = since_us,
                    .up_to_us = settled,
                    .exclude_client = std::move(request.exclude_client),
                    .changes_max = changes_max,
                    .bytes_max = limits::kAnswerBytesMax},
                   [changes_max, own, settled, done = std::move(done)](Result<Page> page) mutable {
                     if (!page) {
                       done(std::unexpected(std::move(page.error())));
                     } else {
                       done(answer_with(*page, changes_max, own, settled));
                     }
                   });
}

}  // namespace mana_sync::sync
