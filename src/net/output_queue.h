// The bytes a socket still has to send: pieces in order, some owned, some shared with other
// sockets.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mana_sync::net {

// What gather() returned stays where it is until consume(): new pieces wait in a list of their own.
class OutputQueue {
 public:
  // Empty pieces are ignored. Small ones are joined.
  void push(std::string bytes);
  void push(std::shared_ptr<const std::string> bytes);

  [[nodiscard]] size_t pending_bytes() const { return pending_bytes_; }

  // Points `pieces` at the oldest bytes; returns how many of them were used (0: nothing pending).
  // REQUIRES: what an earlier call returned is no longer in use.
  [[nodiscard]] size_t gather(std::span<iovec> pieces);
  // Drops the first `bytes`, at most as many as gather() returned.
  void consume(size_t bytes);

 private:
  struct Piece {
    std::string owned;
    std::shared_ptr<const std::string> shared;
    [[nodiscard]] std::string_view view() const { return shared != nullptr ? *shared : owned; }
  };

  [[nodiscard]] bool join(std::string_view bytes);

  std::vector<Piece> sending_;
  size_t sending_begin_ = 0;  // pieces before it are gone
  size_t offset_ = 0;         // bytes gone of the first piece
  std::vector<Piece> queued_;
  size_t pending_bytes_ = 0;
};

}  // namespace mana_sync::net
