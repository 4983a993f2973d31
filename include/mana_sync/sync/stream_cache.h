// The streams that memory knows (ARCHITECTURE §4). Memory holds nothing that PostgreSQL has not, so
// any stream with nothing under way may be forgotten at any time.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

struct WaitingPush;
struct UnitInFlight;

struct Stream {
  // Empty -> Loading on the first push, Loading -> Ready when all rows were read. A failed load, or
  // a commit of unknown outcome, goes back to Empty.
  enum class State { kEmpty, kLoading, kReady };

  explicit Stream(StreamName stream_name);
  ~Stream();

  const StreamName name;
  State state = State::kEmpty;
  CellMap cells;
  // The newest stamp of each client id: whether a cursor misses anything by others is known without
  // a query. Complete when Ready.
  absl::flat_hash_map<uint64_t, int64_t> newest_by_client;

  std::deque<std::unique_ptr<WaitingPush>> queue;
  std::unique_ptr<UnitInFlight> unit;  // at most one
  // Pulls whose cursor stands right below the unit in flight: they wait for it, since an answer
  // moves the cursor (PROTOCOL 10.3). Bounded by the connections that they came on.
  std::vector<std::move_only_function<void()>> waiting_pulls;
  // True exactly while a load, lookup or commit of this stream is under way: then it is not
  // evicted, and no other push of it is merged.
  bool busy = false;
  // True exactly while it stands in the push service's list of streams with work.
  bool scheduled = false;
  // True exactly while it is busy with what may no longer hold: another process may have written.
  // It is forgotten when it becomes idle.
  bool outdated = false;
  // The first stamp of the unit in flight; 0: none is. Everything below is settled.
  int64_t first_in_flight_us = 0;

  // Applies a stored change.
  void apply(const ChangeRow& row);
  // Whether memory can speak for the stream.
  [[nodiscard]] bool is_current() const { return state == State::kReady && !outdated; }
  // Whether a client other than `client` (a client_hash; nullopt: any) wrote after `since_us`.
  // REQUIRES: Ready.
  [[nodiscard]] bool has_news(int64_t since_us, const std::optional<uint64_t>& client) const;
  // Forgets all that was read from the store.
  void forget();
  // Forgets, now or when it becomes idle.
  void forget_when_idle();
  [[nodiscard]] size_t bytes() const;

 private:
  friend class StreamCache;
  std::list<Stream*>::iterator recency_;
  size_t counted_bytes_ = 0;
};

// Owns the streams. One thread.
class StreamCache {
 public:
  StreamCache(size_t bytes_max, Metrics& metrics);

  // nullptr: not in memory. It counts as just used.
  [[nodiscard]] Stream* find(const StreamName& name);
  // Makes it if it is not there; it counts as just used. Valid until the next evict(), or as long
  // as it is busy or has a queue.
  Stream& get(const StreamName& name);
  // Counts what `stream` holds now, and evicts the least recently used idle streams until the
  // budget holds: `stream` itself among them, if it is idle.
  void account(Stream& stream);
  // Forgets what is known of every stream; of one that is busy, when it becomes idle.
  void forget_all();

  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] size_t size() const { return streams_.size(); }

 private:
  void touch(Stream& stream);
  void evict();

  const size_t bytes_max_;
  size_t bytes_ = 0;
  absl::flat_hash_map<StreamName, std::unique_ptr<Stream>> streams_;
  std::list<Stream*> by_recency_;  // most recent first
  Gauge& bytes_gauge_;
  Gauge& streams_gauge_;
  Counter& evictions_;
};

}  // namespace mana_sync::sync
