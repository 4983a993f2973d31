#include "mana_sync/sync/stream_cache.h"

#include <algorithm>

#include "change_format.h"
#include "json_token.h"
#include "json_tree.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "waiting_push.h"

namespace mana_sync::sync {
namespace {

// A name in JSONB's text, unescaped.
std::string unescaped_key(std::string_view key) {
  std::string out;
  append_unescaped(out, key);
  return out;
}

// absl's tables: a control byte beside each slot.
template <class Map>
size_t table_bytes(const Map& map) {
  return map.capacity() * (sizeof(typename Map::value_type) + 1);
}

}  // namespace

Stream::Stream(StreamName stream_name) : name(std::move(stream_name)) {}
Stream::~Stream() = default;

void Stream::apply(const ChangeRow& row) {
  const uint64_t client = client_hash(row.client_id);
  int64_t& newest = newest_by_client[client];
  newest = std::max(newest, row.stamp_us);

  const int64_t receipt_ms = receipt_time_ms(row.stamp_us);
  const auto apply_edit = [&](std::string_view raw_key, int64_t time_ms, uint64_t value_hash) {
    const std::string key = unescaped_key(raw_key);
    Cell& cell =
        cells.try_emplace(cell_key(row.table, row.record, key), Cell{INT64_MIN}).first->second;
    const bool wins = time_ms > cell.time_ms || (time_ms == cell.time_ms && cell.client == client);
    if (wins) cell = {time_ms, client, value_hash, time_ms == receipt_ms};
  };

  bool has_deleted_at = false;
  for (JsonMembers times(row.field_timestamps); times.next();) {
    const int64_t time_ms = stored_time_ms(times.value()).value_or(receipt_ms);
    const bool is_delete = row.op == Op::kDelete && times.key() == "deletedAt";
    has_deleted_at |= is_delete;
    apply_edit(times.key(), time_ms, is_delete ? hash_of_string(format_time_ms(time_ms)) : 0);
  }
  // Fields that another program wrote without an edit time (PROTOCOL 4.3).
  MemberFinder times(row.field_timestamps);
  for (JsonMembers fields(row.data); fields.next();) {
    if (fields.key() == "id" || times.find(fields.key())) continue;
    const bool is_delete = row.op == Op::kDelete && fields.key() == "deletedAt";
    has_deleted_at |= is_delete;
    apply_edit(fields.key(),
               is_delete ? stored_time_ms(fields.value()).value_or(receipt_ms) : receipt_ms, 0);
  }
  if (row.op == Op::kDelete && !has_deleted_at) apply_edit("deletedAt", receipt_ms, 0);
}

bool Stream::has_news(int64_t since_us, const std::optional<uint64_t>& client) const {
  MANA_CHECK(state == State::kReady);
  for (const auto& [writer, newest_us] : newest_by_client) {
    if (newest_us > since_us && writer != client) return true;
  }
  return false;
}

void Stream::forget() {
  state = State::kEmpty;
  cells = {};
  newest_by_client = {};
}

void Stream::forget_when_idle() {
  outdated = busy;
  if (!busy) forget();
}

size_t Stream::bytes() const {
  return sizeof *this + 2 * (name.user_id.capacity() + name.app_id.capacity()) +
         table_bytes(cells) + table_bytes(newest_by_client);
}

StreamCache::StreamCache(size_t bytes_max, Metrics& metrics)
    : bytes_max_(bytes_max),
      bytes_gauge_(metrics.gauge("mana_sync_cache_bytes", "Bytes that cached streams take")),
      streams_gauge_(metrics.gauge("mana_sync_cache_streams", "Streams in memory")),
      evictions_(metrics.counter("mana_sync_cache_evictions_total",
                                 "Streams forgotten to keep the cache's budget")) {}

Stream* StreamCache::find(const StreamName& name) {
  const auto found = streams_.find(name);
  if (found == streams_.end()) return nullptr;
  touch(*found->second);
  return found->second.get();
}

Stream& StreamCache::get(const StreamName& name) {
  auto [found, added] = streams_.try_emplace(name);
  if (added) {
    found->second = std::make_unique<Stream>(name);
    found->second->recency_ = by_recency_.insert(by_recency_.begin(), found->second.get());
    streams_gauge_.set(static_cast<int64_t>(streams_.size()));
  } else {
    touch(*found->second);
  }
  return *found->second;
}

void StreamCache::touch(Stream& stream) {
  by_recency_.splice(by_recency_.begin(), by_recency_, stream.recency_);
}

void StreamCache::account(Stream& stream) {
  const size_t bytes = stream.bytes();
  bytes_ = bytes_ - stream.counted_bytes_ + bytes;
  stream.counted_bytes_ = bytes;
  evict();
  bytes_gauge_.set(static_cast<int64_t>(bytes_));
}

void StreamCache::forget_all() {
  for (auto& [name, stream] : streams_) stream->forget_when_idle();
}

void StreamCache::evict() {
  auto candidate = by_recency_.end();
  while (bytes_ > bytes_max_ && candidate != by_recency_.begin()) {
    --candidate;
    Stream& stream = **candidate;
    if (stream.busy || stream.scheduled || !stream.queue.empty()) continue;
    bytes_ -= stream.counted_bytes_;
    candidate = by_recency_.erase(candidate);
    streams_.erase(StreamName(stream.name));
    evictions_.add();
  }
  streams_gauge_.set(static_cast<int64_t>(streams_.size()));
}

}  // namespace mana_sync::sync
