#include "shared.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "mana_sync/base/limits.h"

namespace mana_sync::ws {
namespace {

// In the order of End.
constexpr std::array<std::string_view, kEndCount> kEndNames = {
    "client",   "server", "protocol_error", "unsupported_data", "invalid_text", "too_big",
    "overload", "silent", "stalled",        "vanished",         "aborted"};

}  // namespace

Shared::Impl::Impl(net::Loop& loop_in, size_t unfinished_bytes_max_in)
    : loop(loop_in), unfinished_bytes_max(unfinished_bytes_max_in) {
  for (size_t i = 0; i < kEndCount; ++i) {
    ended[i] = &loop.metrics().counter("mana_sync_ws_closed_total", "WebSockets closed, by reason",
                                       fmt::format("reason=\"{}\"", kEndNames[i]));
  }
}

std::unique_ptr<MessageReader> Shared::Impl::take_reader() {
  if (idle_readers.empty()) return std::make_unique<MessageReader>();
  auto reader = std::move(idle_readers.back());
  idle_readers.pop_back();
  return reader;
}

void Shared::Impl::give_back(std::unique_ptr<MessageReader> reader) {
  if (!reader->is_idle() || idle_readers.size() >= limits::kWebSocketReadersKeptMax) return;
  reader->release_large_buffers();
  idle_readers.push_back(std::move(reader));
}

Shared::Shared(net::Loop& loop, size_t unfinished_bytes_max)
    : impl_(std::make_unique<Impl>(loop, unfinished_bytes_max)) {}

Shared::~Shared() = default;

}  // namespace mana_sync::ws
