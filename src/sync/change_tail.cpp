#include "mana_sync/sync/change_tail.h"

#include <algorithm>
#include <cstring>

#include "change_format.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/sync/cells.h"

namespace mana_sync::sync {
namespace {

// What the allocator and a shared_ptr's counters add to a block's text.
constexpr size_t kBlockOverheadBytes = 48;
constexpr size_t kChangeBytesReserved = 512;

}  // namespace

size_t ChangeTail::Block::bytes() const {
  return kBlockOverheadBytes + capacity + entries.capacity() * sizeof(Entry);
}

void ChangeTail::begin(int64_t start_us) {
  blocks_ = std::vector<Block>();  // `{}` would keep its room
  bytes_ = 0;
  start_us_ = start_us;
}

void ChangeTail::append(const ChangeRow& row, size_t bytes_max) {
  MANA_CHECK(row.stamp_us > start_us_);
  if (bytes_max == 0) return begin(row.stamp_us);
  std::string change;
  change.reserve(kChangeBytesReserved);
  append_change(change, row);
  const size_t size = change.size();
  change += ',';

  Block& block = block_with_room(change.size());
  bytes_ -= block.bytes();
  std::memcpy(block.text.get() + block.used, change.data(), change.size());
  block.entries.push_back({.stamp_us = row.stamp_us,
                           .client = client_hash(row.client_id),
                           .table = table_hash(row.table),
                           .begin = block.used,
                           .size = static_cast<uint32_t>(size)});
  block.used += static_cast<uint32_t>(change.size());
  bytes_ += block.bytes();
  while (bytes_ > bytes_max && !blocks_.empty()) drop_oldest_block();
}

ChangeTail::Block& ChangeTail::block_with_room(size_t bytes) {
  if (!blocks_.empty() && blocks_.back().capacity - blocks_.back().used >= bytes) {
    return blocks_.back();
  }
  // Blocks grow with the tail: one that is short does not hold much that is empty, and a long one
  // does not consist of crumbs.
  const size_t wanted =
      std::clamp(bytes_ / 4, limits::kTailBlockBytesMin, limits::kTailBlockBytesMax);
  const size_t capacity = std::max(bytes, wanted);
  const size_t room = blocks_.capacity();
  Block& block = blocks_.emplace_back();
  block.text = std::make_shared_for_overwrite<char[]>(capacity);
  block.capacity = static_cast<uint32_t>(capacity);
  bytes_ += block.bytes() + (blocks_.capacity() - room) * sizeof(Block);
  return block;
}

void ChangeTail::drop_oldest_block() {
  const Block& oldest = blocks_.front();
  start_us_ = oldest.entries.back().stamp_us;
  bytes_ -= oldest.bytes();
  blocks_.erase(blocks_.begin());
  if (blocks_.empty()) begin(start_us_);
}

ChangeTail::Selected ChangeTail::select(const Selection& selection,
                                        absl::FunctionRef<void(Run)> on_run) const {
  MANA_CHECK(selection.after_us >= start_us_);
  std::vector<uint64_t> tables;
  for (const std::string& table : selection.tables) tables.push_back(table_hash(table));
  const auto is_wanted = [&](const Entry& entry) {
    return entry.client != selection.exclude_client &&
           !selection.exclude.contains(entry.stamp_us) &&
           (tables.empty() || std::ranges::find(tables, entry.table) != tables.end());
  };

  Selected selected;
  size_t bytes = 0;
  auto block = std::ranges::partition_point(blocks_, [&](const Block& candidate) {
    return candidate.entries.back().stamp_us <= selection.after_us;
  });
  for (; block != blocks_.end() && !selected.has_more; ++block) {
    auto entry = std::ranges::partition_point(block->entries, [&](const Entry& candidate) {
      return candidate.stamp_us <= selection.after_us;
    });
    while (entry != block->entries.end() && !selected.has_more) {
      const auto run_begin = entry;
      for (; entry != block->entries.end() && is_wanted(*entry); ++entry) {
        if (selection.by_table && entry->table != run_begin->table) break;
        selected.has_more = selected.changes >= selection.changes_max ||
                            (selected.changes > 0 && bytes + entry->size > selection.bytes_max);
        if (selected.has_more) break;
        ++selected.changes;
        selected.last_us = entry->stamp_us;
        bytes += entry->size + 1;
      }
      if (entry == run_begin) {  // not wanted, or the page is full
        ++entry;
        continue;
      }
      const Entry& last = *(entry - 1);
      on_run({.text = {block->text,
                       {block->text.get() + run_begin->begin,
                        last.begin + last.size - run_begin->begin}},
              .changes = static_cast<size_t>(entry - run_begin),
              .last_us = last.stamp_us});
    }
  }
  return selected;
}

}  // namespace mana_sync::sync
