#include "output_queue.h"

#include <algorithm>
#include <utility>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::net {
namespace {

// An idle socket keeps room for no more pieces than this.
constexpr size_t kIdlePieces = 8;

}  // namespace

void OutputQueue::push(std::string bytes) {
  if (bytes.empty()) return;
  pending_bytes_ += bytes.size();
  if (!join(bytes)) queued_.push_back({std::move(bytes), nullptr});
}

void OutputQueue::push(std::shared_ptr<const std::string> bytes) {
  if (bytes == nullptr || bytes->empty()) return;
  pending_bytes_ += bytes->size();
  if (!join(*bytes)) queued_.push_back({{}, std::move(bytes)});
}

bool OutputQueue::join(std::string_view bytes) {
  if (queued_.empty() || bytes.size() > limits::kSmallOutputBytes) return false;
  Piece& last = queued_.back();
  const size_t joined_bytes = last.view().size() + bytes.size();
  if (joined_bytes > limits::kGatheredPieceBytes) return false;
  if (last.shared != nullptr) {
    // Bytes of others cannot grow; taking a copy pays only where they are small.
    if (last.shared->size() > limits::kSmallOutputBytes) return false;
    last.owned = *last.shared;
    last.shared = nullptr;
  }
  last.owned += bytes;
  return true;
}

size_t OutputQueue::gather(std::span<iovec> pieces) {
  if (sending_begin_ == sending_.size()) {
    sending_.clear();
    if (sending_.capacity() > kIdlePieces) sending_.shrink_to_fit();
    sending_begin_ = 0;
    sending_.swap(queued_);
  }
  const size_t count = std::min(pieces.size(), sending_.size() - sending_begin_);
  size_t skipped = offset_;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view bytes = sending_[sending_begin_ + i].view().substr(skipped);
    pieces[i] = {const_cast<char*>(bytes.data()), bytes.size()};
    skipped = 0;
  }
  return count;
}

void OutputQueue::consume(size_t bytes) {
  MANA_CHECK(bytes <= pending_bytes_);
  pending_bytes_ -= bytes;
  while (bytes > 0) {
    MANA_CHECK(sending_begin_ < sending_.size());
    Piece& first = sending_[sending_begin_];
    const size_t left = first.view().size() - offset_;
    if (bytes < left) {
      offset_ += bytes;
      return;
    }
    bytes -= left;
    first = {};
    offset_ = 0;
    ++sending_begin_;
  }
}

}  // namespace mana_sync::net
