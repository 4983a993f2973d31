// Text that does not change, and that a copy does not copy.
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mana_sync {

// Freed with the last of its copies. Copies may be used on any thread.
class SharedText {
 public:
  // Empty.
  SharedText() = default;
  SharedText(std::string text)  // NOLINT: a text is a shared text
      : text_(std::make_shared<const std::string>(std::move(text))) {}
  SharedText(const char* text) : SharedText(std::string(text)) {}  // NOLINT: likewise

  [[nodiscard]] const std::string& str() const {
    static const std::string kEmpty;
    return text_ == nullptr ? kEmpty : *text_;
  }
  operator const std::string&() const { return str(); }  // NOLINT: it is a string
  operator std::string_view() const { return str(); }    // NOLINT: likewise
  [[nodiscard]] size_t size() const { return str().size(); }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.text_ == b.text_ || a.str() == b.str();
  }
  friend std::strong_ordering operator<=>(const SharedText& a, const SharedText& b) {
    return a.str() <=> b.str();
  }
  template <class State>
  friend State AbslHashValue(State state, const SharedText& text) {
    return State::combine(std::move(state), text.str());
  }

 private:
  std::shared_ptr<const std::string> text_;
};

}  // namespace mana_sync
