// A page of a stream in runs of one table each (PROTOCOL 7.2), change by change.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mana_sync/sync/change_tail.h"
#include "mana_sync/sync/engine.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

class PageBody {
 public:
  static constexpr bool kByTable = true;  // which runs of the tail it takes

  void add(const ChangeRow& row);
  void add(ChangeTail::Run run);

  // Of the changes that were added so far.
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] size_t count() const { return count_; }
  // Takes back what was added since. REQUIRES: all of that were rows.
  struct Mark {
    size_t runs;
    size_t last_run_bytes;  // of its own text
    int64_t last_run_cursor_us;
    size_t bytes;
    size_t count;
  };
  [[nodiscard]] Mark mark() const;
  void return_to(const Mark& mark);

  [[nodiscard]] ChangePage finish(int64_t synced_until_us, bool has_more) &&;

 private:
  // The text that changes of that table belong to, ready for them; the first has that stamp.
  [[nodiscard]] GatheredText& text_for(std::string_view table, int64_t stamp_us);

  std::vector<ChangeRun> runs_;
  size_t bytes_ = 0;
  size_t count_ = 0;
};

}  // namespace mana_sync::sync
