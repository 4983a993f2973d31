// Text in pieces: some its own, some shared with others and not copied.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mana_sync {

// Bytes that stay where they are, unchanged, as long as `owner` lives.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// What an answer is made of: a text of its own, with shared bytes spliced in.
class GatheredText {
 public:
  // Shared bytes that stand before the own text's byte `at`.
  struct Splice {
    size_t at;
    SharedBytes shared;
  };

  GatheredText() = default;
  GatheredText(std::string own) : own_(std::move(own)) {}  // NOLINT: a text is a gathered text
  GatheredText(const char* own) : own_(own) {}             // NOLINT: likewise

  // What is not shared. Append to it; what stands before a splice must not change its length.
  [[nodiscard]] std::string& own() { return own_; }
  [[nodiscard]] const std::string& own() const { return own_; }
  // In order.
  [[nodiscard]] const std::vector<Splice>& splices() const { return splices_; }

  // Appends bytes without a copy; empty ones are ignored.
  void append(SharedBytes shared);
  // Appends all of `text`.
  void append(GatheredText text);
  // Inserts into the own text, before its byte `at`. REQUIRES: no splice stands before it.
  void insert(size_t at, std::string_view text);
  // Of everything.
  [[nodiscard]] size_t size() const { return own_.size() + shared_bytes_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  // Everything, copied together.
  [[nodiscard]] std::string str() const;
  // Calls `own_piece(std::string_view)` and `shared_piece(const SharedBytes&)` for what it is made
  // of, in order, none of it empty.
  template <class OwnPiece, class SharedPiece>
  void for_each(OwnPiece own_piece, SharedPiece shared_piece) const {
    const std::string_view own = own_;
    size_t begin = 0;
    for (const Splice& splice : splices_) {
      if (splice.at > begin) own_piece(own.substr(begin, splice.at - begin));
      begin = splice.at;
      shared_piece(splice.shared);
    }
    if (begin < own.size()) own_piece(own.substr(begin));
  }

 private:
  std::string own_;
  std::vector<Splice> splices_;
  size_t shared_bytes_ = 0;
};

}  // namespace mana_sync
