#include "merge_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "stored_insert.h"
#include "waiting_push.h"

namespace mana_sync::sync::testing {
namespace {

std::string change_of(std::string_view record, std::string_view op, std::string_view rest) {
  return fmt::format(R"({{"table":"t","id":"{}","op":"{}"{}}})", record, op, rest);
}

CellTable loaded(const StoredRows& rows) {
  Stream stream({"user", "app"});
  for (const ChangeRow& row : rows.all()) stream.apply(row);
  return std::move(stream.cells);
}

}  // namespace

std::string time_at(int64_t ms) {
  return fmt::format("\"{}\"", format_time_ms(kBeginMs + ms));
}

std::string insert_of(std::string_view record, std::string_view data) {
  return change_of(record, "insert", fmt::format(",\"data\":{}", data));
}

std::string update_of(std::string_view record, std::string_view fields) {
  return change_of(record, "update", fmt::format(",\"fields\":{{{}}}", fields));
}

std::string field_of(std::string_view field, std::string_view value, std::string_view time) {
  if (time.empty()) return fmt::format(R"("{}":{{"value":{}}})", field, value);
  return fmt::format(R"("{}":{{"value":{},"at":{}}})", field, value, time);
}

std::string delete_of(std::string_view record, std::string_view time) {
  return change_of(record, "delete", time.empty() ? "" : fmt::format(",\"deletedAt\":{}", time));
}

MergeWorld::MergeWorld() {
  stamps.grant(0, kBeginMs * 2'000);
}

MergeWorld::Outcome MergeWorld::push(std::string_view client,
                                     const std::vector<std::string>& changes) {
  std::string body = fmt::format(R"({{"clientId":"{}","changes":[)", client);
  for (const std::string& change : changes) {
    if (&change != &changes.front()) body += ',';
    body += change;
  }
  body += "]}";
  const Result<Changeset> changeset = reader_.read(body);
  EXPECT_TRUE(changeset) << (changeset ? "" : changeset.error().message);
  if (!changeset) return {};

  const MergeFacts facts = look_up(*changeset, find_unknowns(*changeset, CellOverlay(cells)));
  EXPECT_TRUE(stamps.reserve(changeset->changes.size()));
  CellOverlay overlay(cells);
  const Merged merged =
      merge(*changeset, facts, overlay, stamps, ids_, {.clock_skew_ms_max = 300'000}, {clamped});
  std::move(overlay).apply_to(cells);
  Outcome outcome{.rows = {}, .lost = merged.lost};
  for (const ChangeRow& row : merged.rows) {
    EXPECT_TRUE(rows.size() == 0 || row.stamp_us > rows[rows.size() - 1].stamp_us);
    rows.add(row);
    outcome.rows.push_back(StoredRow::of(row));
  }
  for (const LostEdit& lost : merged.lost) {
    EXPECT_LT(lost.edit, changeset->changes[lost.change].edits.size());
  }
  expect_cells_as_loaded();
  return outcome;
}

MergeFacts MergeWorld::look_up(const Changeset& changeset, const Unknowns& unknowns) {
  MergeFacts facts;
  if (unknowns.empty()) return facts;
  ++lookups;
  LookupQuery query{
      .stream = {}, .cells = unknowns.cells, .client_id = changeset.client_id, .records = {}};
  for (const size_t index : unknowns.inserts) {
    const Change& change = changeset.changes[index];
    query.records.push_back({std::string(change.table), std::string(change.record)});
  }
  const auto found = rows.cells(query);
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) continue;
    Cell cell = cells.find(unknowns.cell_keys[i]).value();
    cell.value_hash = scratch_.hash_of(found[i]->value);
    cells.set(unknowns.cell_keys[i], cell);
  }
  const auto inserts = rows.inserts(query);
  const StoredInserts stored(inserts, scratch_);
  for (const size_t index : unknowns.inserts) {
    if (stored.hold(changeset.changes[index], cells)) facts.repeated_inserts.push_back(index);
  }
  return facts;
}

void MergeWorld::reload() {
  cells = loaded(rows);
}

void MergeWorld::expect_cells_as_loaded() const {
  const CellTable fresh = loaded(rows);
  EXPECT_EQ(fresh.size(), cells.size());
  cells.for_each([&](const CellKey& key, const Cell& cell) {
    const std::optional<Cell> found = fresh.find(key);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->time_ms, cell.time_ms);
    EXPECT_EQ(found->client, cell.client);
    EXPECT_EQ(found->receipt_timed, cell.receipt_timed);
    // Unknown in one of the two, or the same in both.
    if (found->value_hash != 0 && cell.value_hash != 0) {
      EXPECT_EQ(found->value_hash, cell.value_hash);
    }
  });
}

Winners MergeWorld::winners() const {
  Winners winners;
  for (const ChangeRow& row : rows.all()) {
    for (JsonMembers times(row.field_timestamps); times.next();) {
      const int64_t time_ms = *parse_rfc3339_ms(*plain_string(times.value()));
      const std::string value(find_member(row.data, times.key()).value_or("missing"));
      const auto [found, added] =
          winners.try_emplace({std::string(row.record), std::string(times.key())});
      Winner& winner = found->second;
      const bool wins = added || time_ms > winner.time_ms ||
                        (time_ms == winner.time_ms && winner.client == row.client_id);
      if (wins) winner = {time_ms, std::string(row.client_id), value};
    }
  }
  return winners;
}

std::string MergeWorld::value(const std::string& record, const std::string& field) const {
  const Winners all = winners();
  const auto found = all.find({record, field});
  return found == all.end() ? "" : found->second.value;
}

}  // namespace mana_sync::sync::testing
