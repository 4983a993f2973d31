// The changes that a device pushes, in the shape that the command line asks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "delivery_ledger.h"
#include "shared_records.h"

namespace mana_sync::loadgen {

// Where a field's edit time stands (PROTOCOL 2.6): clients of both spellings are deployed.
enum class EditTime { kUpdatedAt, kAt, kBoth };

struct PushShape {
  size_t changes = 1;  // of each push
  size_t fields = 2;   // of each insert and update, beside its number
  size_t field_bytes = 16;
  // How many of a hundred changes are what, as far as there are records to update and delete.
  int updates = 45;
  int deletes = 5;  // the rest are inserts
  // How many of a hundred changes edit, with a time of the last seconds, one of few records that
  // all the user's devices edit.
  int conflicts = 0;
  EditTime edit_time = EditTime::kUpdatedAt;
};

// Of one device, which updates and deletes only records of its own, and those that are shared. So
// nothing else it pushes can lose. One thread.
class ChangeMaker {
 public:
  static constexpr uint64_t kSharedRecords = 8;  // of each user
  static constexpr std::string_view kSharedPrefix = "shared-";
  static constexpr std::string_view kRecordPrefix = "r";  // the number of its insert follows
  static constexpr std::string_view kNumberField = "n";   // of a change
  static constexpr std::string_view kSharedField = "title";

  // All must outlive the maker. `device` is its number in the ledger.
  ChangeMaker(const PushShape& shape, std::string_view table, size_t device, DeliveryLedger& ledger,
              SharedRecords& shared, std::mt19937_64& random);

  struct Made {
    std::string json;               // the value of `changes`
    std::vector<uint64_t> numbers;  // of those that the ledger has
  };
  // As many as the shape says, or as the caller. `now_ms`: milliseconds since 1970.
  [[nodiscard]] Made make(int64_t now_ms) { return make(now_ms, shape_.changes); }
  [[nodiscard]] Made make(int64_t now_ms, size_t changes);

 private:
  void append_one(Made& made, int64_t now_ms);
  void append_insert(Made& made, std::string_view time);
  void append_update(Made& made, std::string_view time);
  void append_delete(Made& made, std::string_view time);
  void append_shared(Made& made, int64_t now_ms);
  void append_head(std::string& out, std::string_view id, std::string_view op) const;
  void append_field(std::string& out, std::string_view name, std::string_view value,
                    std::string_view time) const;
  [[nodiscard]] uint64_t below(uint64_t bound) { return random_() % bound; }

  const PushShape shape_;
  const std::string table_;
  const size_t device_;
  DeliveryLedger& ledger_;
  SharedRecords& shared_;
  std::mt19937_64& random_;
  const std::string text_;         // a field's value, in quotes
  std::vector<uint64_t> records_;  // its own that are not deleted, by the number of their insert
  uint64_t shared_edits_ = 0;
};

}  // namespace mana_sync::loadgen
