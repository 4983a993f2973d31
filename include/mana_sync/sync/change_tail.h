// The newest changes of a stream as the bytes that go on the wire (PROTOCOL §4): each made once,
// when it was committed, and shared by all answers that hold it (ARCHITECTURE §4).
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// Changes lie one behind the other in blocks of text, so that those that follow each other leave as
// one piece. Old blocks go first. One thread; the bytes handed out may outlive the tail.
class ChangeTail {
 public:
  // Forgets all. From now on it holds the changes after `start_us`.
  void begin(int64_t start_us);
  // It holds every change of the stream with a later stamp.
  [[nodiscard]] int64_t start_us() const { return start_us_; }

  // Takes a change that was committed, later than all before it; forgets the oldest where more than
  // `bytes_max` would be held, if need be this one too.
  void append(const ChangeRow& row, size_t bytes_max);

  // What an answer asks for.
  struct Selection {
    int64_t after_us = 0;                      // exclusive; at least start_us()
    std::span<const std::string> tables{};     // empty: all
    std::optional<uint64_t> exclude_client{};  // a client_hash
    StampRange exclude{};
    size_t changes_max = 0;
    size_t bytes_max = 0;   // the first change always fits
    bool by_table = false;  // a run ends where the next change is another table's
  };
  // Changes that stand next to each other, a comma between two.
  struct Run {
    SharedBytes text;
    size_t changes = 0;
    int64_t last_us = 0;  // stamp of the last one
  };
  struct Selected {
    size_t changes = 0;
    int64_t last_us = 0;    // stamp of the last one; 0 without any
    bool has_more = false;  // a bound ended it
  };
  // Calls `on_run` with what is selected, oldest first.
  Selected select(const Selection& selection, absl::FunctionRef<void(Run)> on_run) const;

  // What it has allocated.
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    int64_t stamp_us;
    uint64_t client;  // client_hash
    uint64_t table;   // table_hash
    uint32_t begin;   // in the block's text
    uint32_t size;    // a comma follows
  };
  struct Block {
    std::shared_ptr<char[]> text;
    uint32_t used = 0;
    uint32_t capacity = 0;
    std::vector<Entry> entries;
    [[nodiscard]] size_t bytes() const;
  };

  Block& block_with_room(size_t bytes);
  void drop_oldest_block();

  std::vector<Block> blocks_;  // oldest first; none is empty
  int64_t start_us_ = 0;
  size_t bytes_ = 0;
};

}  // namespace mana_sync::sync
