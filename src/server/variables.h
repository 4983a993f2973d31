// The environment variables: what each is called, means, may be, and sets.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>

#include "mana_sync/server/config.h"

namespace mana_sync::server {

// What counts where a variable is not set: a text, or a number that has a name elsewhere.
class Fallback {
 public:
  constexpr Fallback(const char* text) : text_(text) {}
  constexpr Fallback(std::integral auto number) : number_(static_cast<int64_t>(number)) {}

  [[nodiscard]] std::string text() const {
    return text_ != nullptr ? text_ : std::to_string(number_);
  }

 private:
  const char* text_ = nullptr;
  int64_t number_ = 0;
};

struct Variable {
  const char* name;
  Fallback fallback;
  const char* meaning;
  const char* allowed;  // with {0} and {1} for `min` and `max`
  // False: the text is not allowed.
  bool (*set)(Config& config, const std::string& text, const Variable& variable);
  // Of a number, both included.
  int64_t min = 0;
  int64_t max = 0;

  [[nodiscard]] std::string allowed_text() const;
};

// In the order in which they are set: what one may be can depend on those before it.
[[nodiscard]] std::span<const Variable> variables();

}  // namespace mana_sync::server
