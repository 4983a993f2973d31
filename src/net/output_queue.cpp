#include "output_queue.h"

#include <algorithm>
#include <utility>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/spare_strings.h"

namespace mana_sync::net {
namespace {

// An idle socket keeps room for no more pieces than this.
constexpr size_t kIdlePieces = 8;

}  // namespace

std::string_view OutputQueue::bytes_of(const Piece& piece) {
  if (const auto* const shared = std::get_if<SharedBytes>(&piece)) return shared->bytes;
  return std::get<std::string>(piece);
}

void OutputQueue::push(std::string bytes) {
  if (bytes.empty()) return;
  pending_bytes_ += bytes.size();
  if (!join(bytes)) queued_.emplace_back(std::move(bytes));
}

void OutputQueue::push(SharedBytes shared) {
  if (shared.bytes.empty()) return;
  pending_bytes_ += shared.bytes.size();
  if (!join(shared.bytes)) queued_.emplace_back(std::move(shared));
}

bool OutputQueue::join(std::string_view bytes) {
  if (queued_.empty() || bytes.size() > limits::kSmallOutputBytes) return false;
  Piece& last = queued_.back();
  if (bytes_of(last).size() + bytes.size() > limits::kGatheredPieceBytes) return false;
  if (const auto* const shared = std::get_if<SharedBytes>(&last)) {
    // Bytes of others cannot grow; taking a copy pays only where they are small.
    if (shared->bytes.size() > limits::kSmallOutputBytes) return false;
    last = std::string(shared->bytes);
  }
  std::get<std::string>(last) += bytes;
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
    const std::string_view bytes = bytes_of(sending_[sending_begin_ + i]).substr(skipped);
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
    const size_t left = bytes_of(first).size() - offset_;
    if (bytes < left) {
      offset_ += bytes;
      return;
    }
    bytes -= left;
    if (auto* const own = std::get_if<std::string>(&first)) keep_spare_string(std::move(*own));
    first.emplace<std::string>();  // assignment would keep the room of what it held
    offset_ = 0;
    ++sending_begin_;
  }
}

}  // namespace mana_sync::net
