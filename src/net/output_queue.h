// The bytes a socket still has to send: pieces in order, some owned, some shared with other
// sockets.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mana_sync/base/gathered_text.h"

namespace mana_sync::net {

// What gather() returned stays where it is until consume(): new pieces wait in a list of their own.
class OutputQueue {
 public:
  // Empty pieces are ignored. Small ones are joined.
  void push(std::string bytes);
  void push(SharedBytes shared);

  [[nodiscard]] size_t pending_bytes() const { return pending_bytes_; }

  // Points `pieces` at the oldest bytes; returns how many of them were used (0: nothing pending).
  // REQUIRES: what an earlier call returned is no longer in use.
  [[nodiscard]] size_t gather(std::span<iovec> pieces);
  // Drops the first `bytes`, at most as many as gather() returned.
  void consume(size_t bytes);

 private:
  using Piece = std::variant<std::string, SharedBytes>;
  [[nodiscard]] static std::string_view bytes_of(const Piece& piece);

  // Copies `bytes` into the last piece; false where a piece of their own is better.
  [[nodiscard]] bool join(std::string_view bytes);

  std::vector<Piece> sending_;
  size_t sending_begin_ = 0;  // pieces before it are gone
  size_t offset_ = 0;         // bytes gone of the first piece
  std::vector<Piece> queued_;
  size_t pending_bytes_ = 0;
};

}  // namespace mana_sync::net
