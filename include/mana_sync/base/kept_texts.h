// Texts that many views point to, kept together.
#pragma once

#include <memory>
#include <memory_resource>
#include <string_view>

namespace mana_sync {

// They lie in few blocks of memory and do not move, and are freed together. One thread.
class KeptTexts {
 public:
  // A copy that stays as long as this does, wherever this is moved.
  [[nodiscard]] std::string_view keep(std::string_view text);

 private:
  std::unique_ptr<std::pmr::monotonic_buffer_resource> blocks_;  // nullptr: none yet
};

}  // namespace mana_sync
