#include "scripted_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mana_sync/base/check.h"

namespace mana_sync::sync::testing {
namespace {

template <class Call>
Call take_first(std::deque<Call>& calls) {
  MANA_CHECK(!calls.empty());
  Call call = std::move(calls.front());
  calls.pop_front();
  return call;
}

const std::unexpected<Error> kFailure = fail(ErrorCode::kUnavailable, "the store failed");

}  // namespace

void ScriptedStore::commit(const CommitUnit& unit, CommitCallback done) {
  EXPECT_FALSE(unit.rows.empty());
  EXPECT_TRUE(std::ranges::is_sorted(unit.rows, std::less_equal<>(), &ChangeRow::stamp_us));
  for (const Commit& other : commits) EXPECT_FALSE(*other.unit->stream == *unit.stream);
  for (const Load& load : loads) EXPECT_FALSE(load.stream == *unit.stream);
  commits.push_back({&unit, std::move(done)});
}

void ScriptedStore::read_page(PageQuery query, PageCallback done) {
  reads.push_back({std::move(query), std::move(done)});
}

void ScriptedStore::load_stream(StreamName stream,
                                std::move_only_function<void(std::span<const ChangeRow>)> on_chunk,
                                std::move_only_function<void(Result<void>)> done) {
  for (const Commit& commit : commits) EXPECT_FALSE(*commit.unit->stream == stream);
  loads.push_back({std::move(stream), std::move(on_chunk), std::move(done)});
}

void ScriptedStore::lookup(LookupQuery query, LookupCallback done) {
  for (const Commit& commit : commits) EXPECT_FALSE(*commit.unit->stream == query.stream);
  questions.push_back({std::move(query), std::move(done)});
}

void ScriptedStore::store(const CommitUnit& unit) {
  StoredRows& rows = rows_of(*unit.stream);
  for (const ChangeRow& row : unit.rows) {
    EXPECT_TRUE(rows.size() == 0 || rows[rows.size() - 1].stamp_us < row.stamp_us);
    rows.add(row);
  }
}

void ScriptedStore::answer_commit(CommitOutcome outcome, std::string_view reason) {
  Commit call = take_first(commits);
  if (outcome == CommitOutcome::kCommitted) store(*call.unit);
  call.done(outcome, reason);
}

void ScriptedStore::commit_unknown_but_stored() {
  Commit call = take_first(commits);
  store(*call.unit);
  call.done(CommitOutcome::kUnknown, "the connection was lost");
}

void ScriptedStore::answer_load() {
  Load call = take_first(loads);
  const std::vector<ChangeRow> rows = rows_of(call.stream).all();
  const std::span<const ChangeRow> all(rows);
  for (size_t begin = 0; begin < all.size(); begin += 2) {
    call.on_chunk(all.subspan(begin, std::min<size_t>(2, all.size() - begin)));
  }
  call.done({});
}

void ScriptedStore::answer_lookup() {
  Question call = take_first(questions);
  const StoredRows& rows = rows_of(call.query.stream);
  const std::vector<ChangeRow> inserts = rows.inserts(call.query);
  call.done(Lookup{.cells = rows.cells(call.query), .inserts = inserts});
}

void ScriptedStore::answer_read() {
  Read call = take_first(reads);
  Page page;
  const std::vector<ChangeRow> rows = rows_of(call.query.stream).page(call.query, page);
  page.rows = rows;
  call.done(page);
}

void ScriptedStore::fail_load() {
  take_first(loads).done(kFailure);
}
void ScriptedStore::fail_lookup() {
  take_first(questions).done(kFailure);
}
void ScriptedStore::fail_read() {
  take_first(reads).done(kFailure);
}

bool ScriptedStore::answer_any() {
  if (!commits.empty()) {
    answer_commit(CommitOutcome::kCommitted);
  } else if (!loads.empty()) {
    answer_load();
  } else if (!questions.empty()) {
    answer_lookup();
  } else if (!reads.empty()) {
    answer_read();
  } else {
    return false;
  }
  return true;
}

}  // namespace mana_sync::sync::testing
