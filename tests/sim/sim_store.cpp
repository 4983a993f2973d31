#include "sim_store.h"

#include <algorithm>

#include "mana_sync/base/limits.h"
#include "wire.h"

namespace mana_sync::sim {

using sync::ChangeRow;
using sync::CommitOutcome;
using sync::testing::StoredRow;

namespace {

const std::unexpected<Error> kDown = fail(ErrorCode::kUnavailable, "the database failed");

// A row as it comes back from JSONB columns.
StoredRow as_stored(const ChangeRow& row) {
  StoredRow stored = StoredRow::of(row);
  stored.data = jsonb_text(stored.data);
  stored.field_timestamps = jsonb_text(stored.field_timestamps);
  return stored;
}

std::vector<StoredRow> copies_of(const std::vector<ChangeRow>& rows) {
  std::vector<StoredRow> copies;
  for (const ChangeRow& row : rows) copies.push_back(StoredRow::of(row));
  return copies;
}

std::vector<ChangeRow> views_of(const std::vector<StoredRow>& rows) {
  std::vector<ChangeRow> views;
  for (const StoredRow& row : rows) views.push_back(row.row());
  return views;
}

}  // namespace

// --- Calls come in

void SimStore::submit(sync::StreamName stream,
                      std::variant<Commit, PageRead, Load, Question> what) {
  auto call = std::make_unique<Call>();
  call->stream = std::move(stream);
  call->what = std::move(what);
  call->deadline_ns = clock_.steady_ns() + limits::kRequestDeadlineMs * 1'000'000;
  calls_.push_back(std::move(call));
}

void SimStore::commit(const sync::CommitUnit& unit, sync::CommitCallback done) {
  if (unit.rows.empty()) journal_.fail("an empty unit");
  if (is_in_limbo(*unit.stream)) journal_.fail("a commit while an older one may still happen");
  for (const auto& call : calls_) {
    const bool excludes =
        std::holds_alternative<Commit>(call->what) || std::holds_alternative<Load>(call->what);
    if (call->stream == *unit.stream && excludes) {
      journal_.fail("a commit while a commit or a load of its stream is under way");
    }
  }
  submit(*unit.stream, Commit{&unit, std::move(done)});
}

void SimStore::read_page(sync::PageQuery query, sync::PageCallback done) {
  sync::StreamName stream = query.stream;
  submit(std::move(stream), PageRead{std::move(query), std::move(done)});
}

void SimStore::load_stream(sync::StreamName stream,
                           std::move_only_function<void(std::span<const ChangeRow>)> on_chunk,
                           std::move_only_function<void(Result<void>)> done) {
  submit(std::move(stream), Load{std::move(on_chunk), std::move(done)});
}

void SimStore::lookup(sync::LookupQuery query, sync::LookupCallback done) {
  sync::StreamName stream = query.stream;
  submit(std::move(stream), Question{std::move(query), std::move(done)});
}

// --- And go on, in any order

bool SimStore::is_in_limbo(const sync::StreamName& stream) const {
  return std::ranges::any_of(limbo_, [&](const Limbo& one) { return one.stream == stream; });
}

// What reads a stream waits until it is known what of it is stored.
bool SimStore::may_advance(const Call& call) const {
  return std::holds_alternative<Commit>(call.what) || !is_in_limbo(call.stream);
}

void SimStore::advance() {
  if (!limbo_.empty() && (healthy_ || dice_.one_in(8))) return decide(dice_.below(limbo_.size()));
  if (calls_.empty()) return;
  const size_t first = dice_.below(calls_.size());
  for (size_t i = 0; i < calls_.size(); ++i) {
    const size_t call = (first + i) % calls_.size();
    if (may_advance(*calls_[call])) return advance(call);
  }
}

void SimStore::advance(size_t index) {
  Call& call = *calls_[index];
  const bool is_commit = std::holds_alternative<Commit>(call.what);
  const bool fails = per_mille(is_commit ? knobs_.commit_failed : knobs_.read_failed);
  if (fails) return finish(index, true);
  if (!call.happened) return happen(call);
  finish(index, false);
}

void SimStore::expire() {
  const int64_t now_ns = clock_.steady_ns();
  // An answer may set off new calls, which stand at the end.
  for (size_t i = 0; i < calls_.size();) {
    if (calls_[i]->deadline_ns <= now_ns) {
      finish(i, true);
    } else {
      ++i;
    }
  }
}

void SimStore::happen(Call& call) {
  call.happened = true;
  const sync::testing::StoredRows& rows = rows_of(call.stream);
  if (auto* commit = std::get_if<Commit>(&call.what)) {
    const bool poisoned = std::ranges::any_of(commit->unit->rows, [](const ChangeRow& row) {
      return row.data.find(kPoison) != std::string_view::npos;
    });
    if (!poisoned) store(call.stream, copies_of(commit->unit->rows));
  } else if (auto* read = std::get_if<PageRead>(&call.what)) {
    read->found = copies_of(rows.page(read->query, read->page));
  } else if (auto* load = std::get_if<Load>(&call.what)) {
    load->found = copies_of(rows.all());
    for (StoredRow& row : load->found) row.data.clear();  // the edit times tell all fields
  } else if (auto* question = std::get_if<Question>(&call.what)) {
    question->cells = rows.cells(question->query);
    question->inserts = copies_of(rows.inserts(question->query));
  }
}

void SimStore::finish(size_t index, bool failed) {
  const std::unique_ptr<Call> call = std::move(calls_[index]);
  calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(index));
  std::visit(
      [&](auto& what) {
        if constexpr (std::is_same_v<decltype(what), Commit&>) {
          finish_commit(*call, what, failed);
        } else {
          answer(what, failed);
        }
      },
      call->what);
}

// --- Commits

void SimStore::finish_commit(Call& call, Commit& commit, bool failed) {
  const bool poisoned = std::ranges::any_of(commit.unit->rows, [](const ChangeRow& row) {
    return row.data.find(kPoison) != std::string_view::npos;
  });
  if (failed && (call.happened || per_mille(knobs_.commit_unknown * 2)) && !poisoned) {
    journal_.trace("  store: outcome unknown, stored={}", call.happened);
    if (!call.happened) limbo_.push_back({call.stream, copies_of(commit.unit->rows)});
    return tell(commit, CommitOutcome::kUnknown, "the connection was lost");
  }
  if (failed) {
    journal_.trace("  store: commit failed");
    return tell(commit, CommitOutcome::kFailed, "the database failed");
  }
  if (poisoned) {
    journal_.trace("  store: refused a unit of {} rows", commit.unit->rows.size());
    return tell(commit, CommitOutcome::kRefused, "changes: the database refused their data");
  }
  if (per_mille(knobs_.commit_unknown)) {
    journal_.trace("  store: committed, and the answer is lost");
    return tell(commit, CommitOutcome::kUnknown, "the connection was lost");
  }
  journal_.trace("  store: committed");
  tell(commit, CommitOutcome::kCommitted, {});
}

void SimStore::tell(Commit& commit, CommitOutcome outcome, std::string_view reason) {
  if (outcome_watcher_) outcome_watcher_(*commit.unit->stream, commit.unit->rows, outcome);
  commit.done(outcome, reason);
}

void SimStore::store(const sync::StreamName& stream, const Rows& rows) {
  sync::testing::StoredRows& stored = rows_[{stream.user_id, stream.app_id}];
  for (const StoredRow& row : rows) {
    journal_.trace("  stored {} {} {}/{} by {} {} {}", row.stamp_us, op_name(row.op), row.table,
                   row.record, row.client_id, row.data.substr(0, 200), row.field_timestamps);
    if (stored.size() > 0 && stored[stored.size() - 1].stamp_us >= row.stamp_us) {
      journal_.fail("10.1: stamp {} is stored after {}", row.stamp_us,
                    stored[stored.size() - 1].stamp_us);
    }
    stored.add(as_stored(row.row()).row());
  }
}

void SimStore::decide(size_t index) {
  const Limbo limbo = std::move(limbo_[index]);
  limbo_.erase(limbo_.begin() + static_cast<std::ptrdiff_t>(index));
  const bool is_stored = dice_.one_in(2);
  journal_.trace("  store: an unknown unit of {} is {}", limbo.stream.user_id.str(),
                 is_stored ? "stored" : "dead");
  if (is_stored) store(limbo.stream, limbo.rows);
}

void SimStore::crash() {
  for (const auto& call : calls_) {
    const auto* commit = std::get_if<Commit>(&call->what);
    if (commit != nullptr && !call->happened && dice_.one_in(2)) happen(*call);
  }
  calls_.clear();
  while (!limbo_.empty()) decide(0);
}

void SimStore::heal() {
  healthy_ = true;
}

// --- Reads

void SimStore::answer(PageRead& read, bool failed) {
  if (failed) return read.done(kDown);
  const std::vector<ChangeRow> rows = views_of(read.found);
  read.page.rows = rows;
  read.done(read.page);
}

// A load that fails may have brought a part.
void SimStore::answer(Load& load, bool failed) {
  const std::vector<ChangeRow> rows = views_of(load.found);
  std::span<const ChangeRow> rest(rows);
  while (!rest.empty()) {
    if (failed && dice_.one_in(2)) break;
    const size_t size = std::min(rest.size(), 1 + dice_.below(8));
    load.on_chunk(rest.first(size));
    rest = rest.subspan(size);
  }
  failed ? load.done(kDown) : load.done({});
}

void SimStore::answer(Question& question, bool failed) {
  if (failed) return question.done(kDown);
  const std::vector<ChangeRow> inserts = views_of(question.inserts);
  question.done(sync::Lookup{.cells = std::move(question.cells), .inserts = inserts});
}

}  // namespace mana_sync::sim
