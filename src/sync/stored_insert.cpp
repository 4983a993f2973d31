#include "stored_insert.h"

#include <algorithm>

#include "mana_sync/base/timestamp.h"
#include "repeats.h"

namespace mana_sync::sync {
namespace {

// What an insert says, in whatever order, but of when.
class Saying {
 public:
  void add(std::string_view field, uint64_t value_hash) {
    const Hash128 said = hash128(field, value_hash);
    hash_.low += said.low;
    hash_.high += said.high;
  }
  [[nodiscard]] const Hash128& hash() const { return hash_; }

 private:
  Hash128 hash_;
};

}  // namespace

StoredInserts::StoredInserts(std::span<const ChangeRow> rows, JsonTree& scratch) {
  absl::flat_hash_set<int64_t> seen;  // stamps; no two changes of a stream have the same
  for (const ChangeRow& row : rows) {
    if (row.op != Op::kDelete && seen.insert(row.stamp_us).second) add(row, scratch);
  }
}

void StoredInserts::add(const ChangeRow& row, JsonTree& scratch) {
  std::string data(row.data);
  const auto stored = scratch.parse(data);
  if (!stored || stored->type() != JsonTree::Type::kObject) return;
  Part part{.receipt_ms = receipt_time_ms(row.stamp_us), .fields = {}};
  Saying saying;
  bool says_its_receipt = false;
  for (auto member = stored->first(); member; member = member->next()) {
    if (member->key() == "id") continue;
    if (member->key() == kUpdatedAt) {
      says_its_receipt = member->hash() == hash_of_string(format_time_ms(part.receipt_ms));
      continue;
    }
    saying.add(member->key(), member->hash());
    part.fields.emplace(member->key(), member->hash());
  }
  if (!says_its_receipt) return;
  OfRecord& record = records_[{std::string(row.table), std::string(row.record)}];
  if (row.op == Op::kInsert) {
    record.whole.insert(saying.hash());
  } else {
    record.parts.push_back(std::move(part));
  }
}

bool StoredInserts::hold(const Change& insert, const CellTable& cells) const {
  const auto record =
      records_.find(std::pair(std::string(insert.table), std::string(insert.record)));
  if (record == records_.end()) return false;
  Saying saying;
  absl::flat_hash_map<std::string_view, uint64_t> said;
  for (const Edit& edit : insert.edits) {
    if (edit.field == kUpdatedAt) continue;
    saying.add(edit.field, edit.value_hash);
    said.emplace(edit.field, edit.value_hash);
  }
  if (record->second.whole.contains(saying.hash())) return true;
  return std::ranges::any_of(record->second.parts, [&](const Part& part) {
    for (const auto& [field, hash] : part.fields) {
      const auto edit = said.find(field);
      if (edit == said.end() || edit->second != hash) return false;
    }
    return std::ranges::all_of(said, [&](const auto& edit) {
      if (part.fields.contains(std::string(edit.first))) return true;
      const auto cell = cells.find(cell_key(insert.table, insert.record, edit.first));
      return cell && cell->time_ms >= part.receipt_ms;
    });
  });
}

}  // namespace mana_sync::sync
