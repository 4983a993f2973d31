// The streams that memory knows (ARCHITECTURE §4). Memory holds nothing that PostgreSQL has not, so
// any stream with nothing under way may be forgotten at any time.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/cells.h"
#include "mana_sync/sync/change_tail.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

struct WaitingPush;
struct UnitInFlight;

// Who wrote last to a stream: enough to know whether a cursor misses anything that others wrote.
class NewestWrites {
 public:
  // `client`: a client_hash.
  void note(uint64_t client, int64_t stamp_us);
  // Whether a client other than `client` (nullopt: any) wrote after `since_us`.
  [[nodiscard]] bool has_news(int64_t since_us, const std::optional<uint64_t>& client) const;

 private:
  uint64_t client_ = 0;  // of the newest
  int64_t newest_us_ = 0;
  int64_t newest_of_others_us_ = 0;  // of any client but that one
};

struct Stream {
  // Empty -> Loading on the first push, Loading -> Ready when all rows were read. A failed load, or
  // a commit of unknown outcome, goes back to Empty.
  enum class State { kEmpty, kLoading, kReady };

  explicit Stream(StreamName stream_name);
  ~Stream();

  const StreamName name;
  State state = State::kEmpty;
  CellTable cells;      // complete when Ready
  NewestWrites newest;  // likewise
  ChangeTail tail;      // valid in any state, unless the stream is outdated

  std::list<std::unique_ptr<WaitingPush>> queue;
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
  // Forgets all that it knows of the store. `last_stamp_us`: no change of the stream that is or may
  // be stored already is later.
  void forget(int64_t last_stamp_us);
  // What it has allocated, but for what is on its way through it.
  [[nodiscard]] size_t bytes() const;

 private:
  friend class StreamCache;
  Stream* more_recent_ = nullptr;
  Stream* less_recent_ = nullptr;
  size_t counted_bytes_ = 0;
};

// Owns the streams. One thread.
class StreamCache {
 public:
  // `bytes_max` 0: nothing is kept beyond its use. `stamps` must outlive it.
  StreamCache(size_t bytes_max, const Stamps& stamps, Metrics& metrics);

  // nullptr: not in memory. It counts as just used.
  [[nodiscard]] Stream* find(const StreamName& name);
  // Makes it if it is not there; it counts as just used. Valid until the next account() or
  // remember(), or as long as it is busy or has a queue.
  Stream& get(const StreamName& name);
  // Makes it for its tail alone: what is committed from now on will be remembered.
  void remember(const StreamName& name);
  // Adds a committed change to the stream's tail, and to who wrote.
  void append(Stream& stream, const ChangeRow& row);
  // Counts what `stream` holds now, and evicts the least recently used idle streams until the
  // budget holds: `stream` itself among them, if it is idle.
  void account(Stream& stream);
  // Forgets what is known of a stream.
  void forget(Stream& stream);
  // Forgets what is known of every stream; one that is busy is outdated until it becomes idle.
  void forget_all();
  // Counts a request that memory could serve, or could not.
  void count(bool hit) { (hit ? hits_ : misses_).add(); }

  // What it has allocated, but for what is on its way through busy streams.
  [[nodiscard]] size_t bytes() const;
  [[nodiscard]] size_t size() const { return streams_.size(); }

 private:
  struct NameHash {
    using is_transparent = void;
    size_t operator()(const StreamName& name) const { return absl::Hash<StreamName>()(name); }
    size_t operator()(const std::unique_ptr<Stream>& stream) const { return (*this)(stream->name); }
  };
  struct NameEqual {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return name_of(a) == name_of(b); }
    static const StreamName& name_of(const StreamName& name) { return name; }
    static const StreamName& name_of(const std::unique_ptr<Stream>& stream) { return stream->name; }
  };

  void touch(Stream& stream);
  void link(Stream& stream);
  void unlink(Stream& stream);
  void evict();

  const size_t bytes_max_;
  const size_t tail_bytes_max_;
  const Stamps& stamps_;
  size_t stream_bytes_ = 0;  // of all streams, as last counted
  absl::flat_hash_set<std::unique_ptr<Stream>, NameHash, NameEqual> streams_;
  Stream* most_recent_ = nullptr;
  Stream* least_recent_ = nullptr;
  Gauge& bytes_gauge_;
  Gauge& streams_gauge_;
  Counter& evictions_;
  Counter& hits_;
  Counter& misses_;
};

}  // namespace mana_sync::sync
