#include "mana_sync/base/kept_texts.h"

#include <cstddef>
#include <cstring>

namespace mana_sync {
namespace {

constexpr size_t kFirstBlockBytes = 448;  // later ones are larger

}  // namespace

std::string_view KeptTexts::keep(std::string_view text) {
  if (text.empty()) return {};
  if (blocks_ == nullptr) {
    blocks_ = std::make_unique<std::pmr::monotonic_buffer_resource>(kFirstBlockBytes);
  }
  auto* const bytes = static_cast<char*>(blocks_->allocate(text.size(), 1));
  std::memcpy(bytes, text.data(), text.size());
  return {bytes, text.size()};
}

}  // namespace mana_sync
