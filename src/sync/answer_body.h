// The body of a 200 to a push or a pull (PROTOCOL §2, §3), piece by piece.
#pragma once

#include <string>
#include <string_view>

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/sync/change_tail.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// Appends a run of the tail: one that is small is copied, which is cheaper.
void append_run(GatheredText& out, SharedBytes run);

class AnswerBody {
 public:
  AnswerBody();

  static constexpr bool kByTable = false;  // which runs of the tail it takes

  void add(const ChangeRow& row);
  void add(ChangeTail::Run run);

  // A correction. All of them stand before the changes, so that of two that tell of one cell in the
  // same millisecond the newer one, a change, is applied last (PROTOCOL 5.2, 5.6).
  void add_correction(const ChangeRow& row);

  // Of what was added so far.
  [[nodiscard]] size_t bytes() const { return text_.size() + corrections_.size() - kBegin.size(); }
  [[nodiscard]] size_t count() const { return count_; }
  // Takes back what was added since. REQUIRES: all of that were rows.
  struct Mark {
    size_t bytes;
    size_t count;
  };
  [[nodiscard]] Mark mark() const { return {bytes(), count()}; }
  void return_to(const Mark& mark);
  // Takes back the corrections that were added since it had `bytes`.
  void shrink_corrections(size_t bytes);

  // `conflicts`: entries with commas between them.
  [[nodiscard]] GatheredText finish(std::string_view conflicts, int64_t synced_until_us,
                                    bool has_more) &&;

 private:
  static constexpr std::string_view kBegin = "{\"serverChanges\":[";

  void separate();

  GatheredText text_;
  std::string corrections_;
  size_t count_ = 0;  // without corrections
};

}  // namespace mana_sync::sync
