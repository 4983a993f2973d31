#include "mana_sync/sync/cells.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "mana_sync/base/check.h"

namespace mana_sync::sync {
namespace {

// Hashes are compared within one process only.
uint64_t secret_seed() {
  static const uint64_t seed = random_seed();
  return seed;
}

// On average. With more, there are more tags to search; with fewer, the list of buckets weighs
// more.
constexpr size_t kCellsPerBucket = 24;

// What 49 bits hold: the years 0000 to 9999, and a little more on both sides.
constexpr int64_t kTimeMsMax = (int64_t{1} << 48) - 1;

// The room for `size` cells: up to 8 exactly that, then in four steps to each doubling.
size_t room_for(size_t size) {
  if (size <= 8) return size;
  const size_t step = std::bit_ceil(size) / 8;
  return (size + step - 1) / step * step;
}

// The parts of CellKey::low: bits 0 to 7, 8 to 23, 24 to 27.
uint8_t tag_of(const CellKey& key) {
  return static_cast<uint8_t>(key.low);
}
uint16_t middle_of(const CellKey& key) {
  return static_cast<uint16_t>(key.low >> 8);
}
uint64_t last_of(const CellKey& key) {
  return key.low >> 24 & 0xf;
}

}  // namespace

CellKey cell_key(std::string_view table, std::string_view record, std::string_view field) {
  // Names hold no NUL (PROTOCOL 2.11), so it can stand between them.
  const size_t size = table.size() + record.size() + field.size() + 2;
  std::array<char, 256> usual;
  std::string longer;
  if (size > usual.size()) longer.resize(size);
  char* const name = size > usual.size() ? longer.data() : usual.data();
  char* end = std::ranges::copy(table, name).out;
  *end++ = '\0';
  end = std::ranges::copy(record, end).out;
  *end++ = '\0';
  std::ranges::copy(field, end);
  return hash128({name, size}, secret_seed());
}

uint64_t client_hash(std::string_view client_id) {
  return hash64(client_id, secret_seed());
}

uint64_t table_hash(std::string_view table) {
  return hash64(table, secret_seed());
}

// --- CellTable ----------------------------------------------------------------------------------

// The last word ends with the last byte, so it begins with a byte of the word before it.
constexpr size_t kLastWord = 23;
static_assert(std::endian::native == std::endian::little);

CellTable::Packed::Packed(const CellKey& key, const Cell& cell) {
  MANA_CHECK(cell.value_hash >> kValueHashBits == 0);
  const auto time_ms = static_cast<uint64_t>(std::clamp(cell.time_ms, -kTimeMsMax - 1, kTimeMsMax));
  const uint64_t value = cell.value_hash << 16 | middle_of(key);
  const uint64_t last = time_ms << 15 | uint64_t{cell.receipt_timed} << 14 |
                        uint64_t{cell.contested} << 13 | uint64_t{cell.goes_back} << 12 |
                        last_of(key) << 8 | value >> 56;
  std::memcpy(&bytes_[0], &key.high, 8);
  std::memcpy(&bytes_[8], &cell.client, 8);
  std::memcpy(&bytes_[16], &value, 8);
  std::memcpy(&bytes_[kLastWord], &last, 8);
}

uint64_t CellTable::Packed::word(size_t at) const {
  uint64_t word = 0;
  std::memcpy(&word, &bytes_[at], sizeof word);
  return word;
}

bool CellTable::Packed::is_of(const CellKey& key) const {
  return key_high() == key.high && static_cast<uint16_t>(word(16)) == middle_of(key) &&
         (word(kLastWord) >> 8 & 0xf) == last_of(key);
}

CellKey CellTable::Packed::key(uint8_t tag) const {
  const uint64_t middle = word(16) & 0xffff;
  const uint64_t last = word(kLastWord) >> 8 & 0xf;
  return {.low = last << 24 | middle << 8 | tag, .high = key_high()};
}

// Never nullopt. Made in place: to copy at once what was just written is slow, and every edit asks.
std::optional<Cell> CellTable::Packed::cell() const {
  const uint64_t last = word(kLastWord);
  return std::optional<Cell>(std::in_place, static_cast<int64_t>(last) >> 15, word(8),
                             word(16) >> 16, (last >> 14 & 1) != 0, (last >> 13 & 1) != 0,
                             (last >> 12 & 1) != 0);
}

CellTable::Packed* CellTable::Bucket::cells() const {
  return reinterpret_cast<Packed*>(block.get() + room);
}

// nullptr: it is not there.
CellTable::Packed* CellTable::Bucket::find(const CellKey& key) const {
  const uint8_t* const tags = block.get();
  for (size_t i = 0; i < size; ++i) {
    const void* const same = std::memchr(tags + i, tag_of(key), size - i);
    if (same == nullptr) return nullptr;
    i = static_cast<size_t>(static_cast<const uint8_t*>(same) - tags);
    if (cells()[i].is_of(key)) return &cells()[i];
  }
  return nullptr;
}

void CellTable::Bucket::prefetch_cell(const CellKey& key) const {
  const uint8_t* const tags = block.get();
  if (size == 0) return;
  const void* const same = std::memchr(tags, tag_of(key), size);
  if (same != nullptr) __builtin_prefetch(cells() + (static_cast<const uint8_t*>(same) - tags));
}

void CellTable::Bucket::make_room(size_t cells_min) {
  if (cells_min == 0) return;
  const size_t larger = room_for(cells_min);
  auto moved = std::make_unique_for_overwrite<uint8_t[]>(larger * kPackedBytes);
  if (size > 0) {
    std::memcpy(moved.get(), block.get(), size);
    std::memcpy(moved.get() + larger, cells(), size * sizeof(Packed));
  }
  block = std::move(moved);
  room = static_cast<uint32_t>(larger);
}

void CellTable::Bucket::add(uint8_t tag, const Packed& cell) {
  block[size] = tag;
  std::memcpy(cells() + size, &cell, sizeof cell);
  ++size;
}

std::optional<Cell> CellTable::find(const CellKey& key) const {
  if (buckets_.empty()) return std::nullopt;
  const Packed* const found = buckets_[bucket_of(key)].find(key);
  if (found == nullptr) return std::nullopt;
  return found->cell();
}

// Each step reads what the one before it asked for.
void CellTable::prefetch(std::span<const CellKey> keys) const {
  if (buckets_.empty()) return;
  for (const CellKey& key : keys) __builtin_prefetch(&buckets_[bucket_of(key)]);
  for (const CellKey& key : keys) __builtin_prefetch(buckets_[bucket_of(key)].block.get());
  for (const CellKey& key : keys) buckets_[bucket_of(key)].prefetch_cell(key);
}

void CellTable::set(const CellKey& key, const Cell& cell) {
  if (size_ == kCellsPerBucket * buckets_.size()) add_bucket();
  Bucket& bucket = buckets_[bucket_of(key)];
  if (Packed* const found = bucket.find(key)) {
    *found = Packed(key, cell);
    return;
  }
  if (bucket.size == bucket.room) {
    room_ -= bucket.room;
    bucket.make_room(bucket.size + 1);
    room_ += bucket.room;
  }
  bucket.add(tag_of(key), Packed(key, cell));
  ++size_;
}

size_t CellTable::bytes() const {
  return buckets_.capacity() * sizeof(Bucket) + room_ * kPackedBytes;
}

void CellTable::for_each(absl::FunctionRef<void(const CellKey&, const Cell&)> visit) const {
  for (const Bucket& bucket : buckets_) {
    for (size_t i = 0; i < bucket.size; ++i) {
      const Packed& packed = bucket.cells()[i];
      visit(packed.key(bucket.block[i]), *packed.cell());
    }
  }
}

// Of eight buckets, the one of the key's three lowest bits. Of ten, that of the four lowest; but
// where there is none yet, since only the first two of the eight have been divided, of three.
size_t CellTable::bucket_of(const CellKey& key) const {
  const size_t ahead = std::bit_ceil(buckets_.size());
  const size_t bucket = key.high & (ahead - 1);
  return bucket < buckets_.size() ? bucket : bucket - ahead / 2;
}

// Divides the bucket whose turn it is: its cells whose next bit is set go to the new one.
void CellTable::add_bucket() {
  const size_t added = buckets_.size();
  // The list, too, grows by less than vector's doubling.
  if (added == buckets_.capacity()) buckets_.reserve(added + added / 8 + 1);
  buckets_.emplace_back();
  if (added == 0) return;
  const size_t bit = std::bit_floor(added);
  const Bucket divided = std::move(buckets_[added - bit]);
  const auto goes = [bit](const Packed& cell) { return (cell.key_high() & bit) != 0; };
  const auto going =
      static_cast<size_t>(std::count_if(divided.cells(), divided.cells() + divided.size, goes));
  Bucket stay;
  Bucket go;
  stay.make_room(divided.size - going);
  go.make_room(going);
  for (size_t i = 0; i < divided.size; ++i) {
    const Packed& cell = divided.cells()[i];
    (goes(cell) ? go : stay).add(divided.block[i], cell);
  }
  room_ += stay.room + go.room;
  room_ -= divided.room;
  buckets_[added - bit] = std::move(stay);
  buckets_[added] = std::move(go);
}

// --- CellOverlay --------------------------------------------------------------------------------

std::optional<Cell> CellOverlay::find(const CellKey& key) const {
  if (const auto changed = changed_.find(key); changed != changed_.end()) return changed->second;
  return stored_->find(key);
}

void CellOverlay::apply_to(CellTable& cells) && {
  std::array<CellKey, CellTable::kPrefetchedMax> ahead;
  size_t left = 0;  // of those ahead
  for (auto next = changed_.begin(); next != changed_.end(); ++next, --left) {
    if (left == 0) {
      for (auto key = next; key != changed_.end() && left < ahead.size(); ++key) {
        ahead[left++] = key->first;
      }
      cells.prefetch(std::span(ahead).first(left));
    }
    cells.set(next->first, next->second);
  }
}

}  // namespace mana_sync::sync
