// Texts that are written, sent and written again, so that a short answer allocates none.
#pragma once

#include <string>
#include <vector>

namespace mana_sync {

// Whoever has no more use for a text may give it back; who does not frees it. One thread.
class TextPool {
 public:
  TextPool();

  // Empty, with room for limits::kPooledTextBytesMin.
  [[nodiscard]] std::string take();
  // Keeps it, if its room is within bounds and not too many are kept already.
  void give(std::string text);

 private:
  std::vector<std::string> texts_;
};

}  // namespace mana_sync
