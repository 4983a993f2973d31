#include "mana_sync/base/spare_strings.h"

#include <utility>
#include <vector>

#include "mana_sync/base/limits.h"

namespace mana_sync {
namespace {

// The last one kept is taken first: the processor's caches still hold it.
thread_local std::vector<std::string> spare_strings;

}  // namespace

std::string take_spare_string(size_t bytes) {
  std::string text;
  if (!spare_strings.empty()) {
    text = std::move(spare_strings.back());
    spare_strings.pop_back();
  }
  text.reserve(bytes);
  return text;
}

void keep_spare_string(std::string&& text) {
  std::string kept = std::move(text);
  const bool fits = kept.capacity() >= limits::kSpareStringBytesMin &&
                    kept.capacity() <= limits::kSpareStringBytesMax;
  if (!fits || spare_strings.size() == limits::kSpareStringsMax) return;
  kept.clear();
  spare_strings.push_back(std::move(kept));
}

}  // namespace mana_sync
