#include "mana_sync/base/gathered_text.h"

namespace mana_sync {

void GatheredText::append(SharedBytes shared) {
  if (shared.bytes.empty()) return;
  shared_bytes_ += shared.bytes.size();
  splices_.push_back({own_.size(), std::move(shared)});
}

void GatheredText::append(GatheredText text) {
  const size_t begin = own_.size();
  own_ += text.own_;
  for (Splice& splice : text.splices_)
    splices_.push_back({begin + splice.at, std::move(splice.shared)});
  shared_bytes_ += text.shared_bytes_;
}

void GatheredText::insert(size_t at, std::string_view text) {
  own_.insert(at, text);
  for (Splice& splice : splices_) splice.at += text.size();
}

std::string GatheredText::str() const {
  if (splices_.empty()) return own_;
  std::string text;
  text.reserve(size());
  for_each([&](std::string_view own) { text += own; },
           [&](const SharedBytes& shared) { text += shared.bytes; });
  return text;
}

}  // namespace mana_sync
