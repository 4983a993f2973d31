#include "mana_sync/sync/stream_cache.h"

#include <algorithm>

#include "change_format.h"
#include "json_token.h"
#include "json_tree.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/limits.h"
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

// What the allocator keeps beside each piece, and rounds up.
constexpr size_t kAllocationOverheadBytes = 16;
// Streams in use that are passed over in one search for one to evict.
constexpr size_t kLooksForIdleMax = 16;

size_t heap_bytes(const std::string& text) {
  constexpr size_t kWithinObject = 15;
  return text.capacity() > kWithinObject ? text.capacity() + kAllocationOverheadBytes : 0;
}

}  // namespace

void NewestWrites::note(uint64_t client, int64_t stamp_us) {
  if (client == client_) {
    newest_us_ = std::max(newest_us_, stamp_us);
  } else if (stamp_us > newest_us_) {
    newest_of_others_us_ = newest_us_;  // of the one that was newest, and so of all others
    newest_us_ = stamp_us;
    client_ = client;
  } else {
    newest_of_others_us_ = std::max(newest_of_others_us_, stamp_us);
  }
}

bool NewestWrites::has_news(int64_t since_us, const std::optional<uint64_t>& client) const {
  return (client == client_ ? newest_of_others_us_ : newest_us_) > since_us;
}

Stream::Stream(StreamName stream_name) : name(std::move(stream_name)) {}
Stream::~Stream() = default;

void Stream::apply(const ChangeRow& row) {
  const uint64_t client = client_hash(row.client_id);
  newest.note(client, row.stamp_us);

  const int64_t receipt_ms = receipt_time_ms(row.stamp_us);
  const auto apply_edit = [&](std::string_view raw_key, int64_t time_ms, uint64_t value_hash) {
    const CellKey key = cell_key(row.table, row.record, unescaped_key(raw_key));
    const std::optional<Cell> winner = cells.find(key);
    const bool wins = !winner || time_ms > winner->time_ms ||
                      (time_ms == winner->time_ms && winner->client == client);
    if (!wins) return;
    Cell cell{time_ms, client, value_hash, time_ms == receipt_ms};
    follow(cell, winner);
    cells.set(key, cell);
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

void Stream::forget(int64_t last_stamp_us) {
  state = State::kEmpty;
  cells = {};
  newest = {};
  tail.begin(last_stamp_us);
  for (const auto& push : queue) {
    push->asked = false;
    push->facts = {};
  }
}

size_t Stream::bytes() const {
  return kAllocationOverheadBytes + sizeof *this + heap_bytes(name.user_id) +
         heap_bytes(name.app_id) + cells.bytes() + tail.bytes();
}

StreamCache::StreamCache(size_t bytes_max, const Stamps& stamps, Metrics& metrics)
    : bytes_max_(bytes_max),
      tail_bytes_max_(std::min(limits::kTailBytesMax, bytes_max / limits::kTailCacheShareMax)),
      stamps_(stamps),
      bytes_gauge_(metrics.gauge("mana_sync_cache_bytes", "Bytes that cached streams take")),
      streams_gauge_(metrics.gauge("mana_sync_cache_streams", "Streams in memory")),
      evictions_(metrics.counter("mana_sync_cache_evictions_total",
                                 "Streams forgotten to keep the cache's budget")),
      hits_(metrics.counter("mana_sync_cache_hits_total",
                            "Pushes whose stream was in memory, and answers from memory")),
      misses_(metrics.counter("mana_sync_cache_misses_total",
                              "Pushes and pulls for which the store had to be read")) {}

Stream* StreamCache::find(const StreamName& name) {
  const auto found = streams_.find(name);
  if (found == streams_.end()) return nullptr;
  touch(**found);
  return found->get();
}

Stream& StreamCache::get(const StreamName& name) {
  if (Stream* stream = find(name)) return *stream;
  Stream& stream = **streams_.insert(std::make_unique<Stream>(name)).first;
  stream.tail.begin(stamps_.last());
  link(stream);
  streams_gauge_.set(static_cast<int64_t>(streams_.size()));
  return stream;
}

void StreamCache::remember(const StreamName& name) {
  if (bytes_max_ > 0) account(get(name));
}

void StreamCache::append(Stream& stream, const ChangeRow& row) {
  stream.newest.note(client_hash(row.client_id), row.stamp_us);
  stream.tail.append(row, tail_bytes_max_);
}

void StreamCache::link(Stream& stream) {
  stream.more_recent_ = nullptr;
  stream.less_recent_ = most_recent_;
  (most_recent_ == nullptr ? least_recent_ : most_recent_->more_recent_) = &stream;
  most_recent_ = &stream;
}

void StreamCache::unlink(Stream& stream) {
  (stream.more_recent_ == nullptr ? most_recent_ : stream.more_recent_->less_recent_) =
      stream.less_recent_;
  (stream.less_recent_ == nullptr ? least_recent_ : stream.less_recent_->more_recent_) =
      stream.more_recent_;
}

void StreamCache::touch(Stream& stream) {
  if (most_recent_ == &stream) return;
  unlink(stream);
  link(stream);
}

size_t StreamCache::bytes() const {
  return stream_bytes_ + streams_.capacity() * (sizeof(std::unique_ptr<Stream>) + 1);
}

void StreamCache::account(Stream& stream) {
  const size_t bytes = stream.bytes();
  stream_bytes_ = stream_bytes_ - stream.counted_bytes_ + bytes;
  stream.counted_bytes_ = bytes;
  evict();
}

void StreamCache::forget(Stream& stream) {
  stream.forget(stamps_.last());
}

void StreamCache::forget_all() {
  for (Stream* stream = most_recent_; stream != nullptr; stream = stream->less_recent_) {
    stream->outdated = stream->busy;
    if (!stream->busy) forget(*stream);
  }
}

void StreamCache::evict() {
  size_t in_use = 0;
  while (bytes() > bytes_max_ && least_recent_ != nullptr && in_use < kLooksForIdleMax) {
    Stream& stream = *least_recent_;
    if (stream.busy || stream.scheduled || !stream.queue.empty()) {
      touch(stream);
      ++in_use;
      continue;
    }
    stream_bytes_ -= stream.counted_bytes_;
    unlink(stream);
    streams_.erase(stream.name);
    evictions_.add();
  }
  bytes_gauge_.set(static_cast<int64_t>(bytes()));
  streams_gauge_.set(static_cast<int64_t>(streams_.size()));
}

}  // namespace mana_sync::sync
