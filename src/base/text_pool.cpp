#include "mana_sync/base/text_pool.h"

#include <utility>

#include "mana_sync/base/limits.h"

namespace mana_sync {

TextPool::TextPool() {
  texts_.reserve(limits::kPooledTextsMax);
}

std::string TextPool::take() {
  std::string text;
  if (texts_.empty()) {
    text.reserve(limits::kPooledTextBytesMin);
  } else {
    text = std::move(texts_.back());
    texts_.pop_back();
  }
  return text;
}

void TextPool::give(std::string text) {
  const bool fits = text.capacity() >= limits::kPooledTextBytesMin &&
                    text.capacity() <= limits::kPooledTextBytesMax;
  if (!fits || texts_.size() == limits::kPooledTextsMax) return;
  text.clear();
  texts_.push_back(std::move(text));
}

}  // namespace mana_sync
