// The winners of a stream, cell by cell (PROTOCOL 5.1, ARCHITECTURE §4).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "mana_sync/base/hash.h"

namespace mana_sync::sync {

// (table, record, field), hashed: 128 bits with a secret seed, so that no two meet.
using CellKey = Hash128;

[[nodiscard]] CellKey cell_key(std::string_view table, std::string_view record,
                               std::string_view field);

// A client id in memory.
[[nodiscard]] uint64_t client_hash(std::string_view client_id);
// The name of a table in memory, likewise.
[[nodiscard]] uint64_t table_hash(std::string_view table);

// The length of a value's hash (Edit::value_hash): what a cell has room for.
inline constexpr int kValueHashBits = 48;

// The winner of a cell.
struct Cell {
  int64_t time_ms = 0;         // edit time, of the years 0000 to 9999
  uint64_t client = 0;         // client_hash of who wrote it
  uint64_t value_hash = 0;     // Edit::value_hash; 0: unknown since the stream was loaded
  bool receipt_timed = false;  // taken at its time of receipt (PROTOCOL 5.8)
  // Another client has held the cell, or a time of receipt has followed on an edit time: something
  // earlier may reach the winner's author after it and look later than what the author holds.
  bool contested = false;
  // It is sent back to its author, and again when it is repeated (PROTOCOL 5.9): taken at its time
  // of receipt, or made in the millisecond of its author's own edit before it, which may have been
  // sent back over it.
  bool goes_back = false;
  friend bool operator==(const Cell&, const Cell&) = default;
};

// Sets what `winner` owes to the one whose place it takes: `contested` and `goes_back`.
inline void follow(Cell& winner, const std::optional<Cell>& before) {
  winner.contested = before && (before->contested || before->client != winner.client ||
                                (winner.receipt_timed && !before->receipt_timed));
  winner.goes_back =
      winner.contested && (winner.receipt_timed || before->time_ms == winner.time_ms);
}

// The winners that a stream has. Most of what the server holds in memory are these, so they are
// packed: 32 bytes a cell, with all slack about 35, and never more than 40 from two cells up.
//
// A cell's key picks one of the buckets. A bucket is one block of memory: first a tag for
// each cell, a byte of its key, and then the cells, in no order. So a search reads the few dozen
// bytes of the tags, and most often one cell, or none. Two rules keep the slack small at every
// size. A bucket's room grows in steps of at most a quarter, which are also the steps in which
// allocators hand out memory. And buckets are added one by one as cells come, each taking its share
// of one that was there (linear hashing). So there is no moment at which a large table is copied,
// either.
//
// Its size has no bound of its own: the stream cache counts bytes(), and evicts.
class CellTable {
 public:
  // nullopt: the cell is empty. A time out of range comes back as the nearest in range.
  [[nodiscard]] std::optional<Cell> find(const CellKey& key) const;
  // Adds the cell, or changes it. REQUIRES: the value's hash has no more than kValueHashBits.
  void set(const CellKey& key, const Cell& cell);
  // Says that find() or set() of these keys is next: memory is asked for what they will read, of
  // all keys at once. Else each would wait for it in turn, which is most of what a large push
  // costs. What is read for kPrefetchedMax of them or so fits into the nearest cache.
  static constexpr size_t kPrefetchedMax = 64;
  void prefetch(std::span<const CellKey> keys) const;

  [[nodiscard]] size_t size() const { return size_; }
  // What it has allocated.
  [[nodiscard]] size_t bytes() const;
  // Calls `visit` with each cell, in no order. The key finds the cell; of its bits it has those
  // that are kept.
  void for_each(absl::FunctionRef<void(const CellKey&, const Cell&)> visit) const;

 private:
  // All but the tag of a cell. With the tag, 92 bits of the key are kept: that any two of ten
  // million cells of a stream meet has a probability of 1e-14.
  class Packed {
   public:
    Packed(const CellKey& key, const Cell& cell);
    [[nodiscard]] uint64_t key_high() const { return word(0); }
    [[nodiscard]] bool is_of(const CellKey& key) const;
    [[nodiscard]] CellKey key(uint8_t tag) const;
    [[nodiscard]] std::optional<Cell> cell() const;

   private:
    [[nodiscard]] uint64_t word(size_t at) const;
    // Little-endian, from the lowest bit: key.high (64), client (64), bits 8 to 23 of key.low,
    // value hash (48), bits 24 to 27 of key.low, goes-back (1), contested (1), receipt-timed (1),
    // time (49).
    std::array<uint8_t, 31> bytes_;
  };

  struct Bucket {
    std::unique_ptr<uint8_t[]> block;  // `room` tags, `room` cells
    uint32_t size = 0;
    uint32_t room = 0;

    [[nodiscard]] Packed* cells() const;
    [[nodiscard]] Packed* find(const CellKey& key) const;
    // The first cell with the key's tag, as a rule the one that find() finds, asked of memory.
    void prefetch_cell(const CellKey& key) const;
    // Moves to a block with room for `cells_min` at least.
    void make_room(size_t cells_min);
    // REQUIRES: size < room.
    void add(uint8_t tag, const Packed& cell);
  };

  static constexpr size_t kPackedBytes = 1 + sizeof(Packed);
  static_assert(kPackedBytes == 32);

  [[nodiscard]] size_t bucket_of(const CellKey& key) const;  // REQUIRES: there is one
  void add_bucket();

  std::vector<Bucket> buckets_;  // empty, or all that bucket_of() expects
  size_t size_ = 0;
  size_t room_ = 0;  // of all buckets
};

// The winners that a unit under way would leave, on top of those that are stored. Dropped if the
// unit fails, kept if it is committed (ARCHITECTURE §4).
class CellOverlay {
 public:
  explicit CellOverlay(const CellTable& stored) : stored_(&stored) {}

  // nullopt: the cell is empty.
  [[nodiscard]] std::optional<Cell> find(const CellKey& key) const;
  // As CellTable's, for what is stored.
  void prefetch(std::span<const CellKey> keys) const { stored_->prefetch(keys); }
  void set(const CellKey& key, const Cell& cell) { changed_[key] = cell; }
  // Makes room for that many more cells.
  void reserve(size_t cells) { changed_.reserve(changed_.size() + cells); }
  // Moves what changed into `cells`, the table this was made over.
  void apply_to(CellTable& cells) &&;

 private:
  const CellTable* stored_;
  absl::flat_hash_map<CellKey, Cell> changed_;
};

}  // namespace mana_sync::sync
