// Pushes and pulls: what the server does with a request once it knows whose it is (PROTOCOL §2,
// §3, §10). No I/O but through the store port, no clock but the one handed in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/gathered_text.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/result.h"
#include "mana_sync/sync/hub.h"
#include "mana_sync/sync/merge.h"
#include "mana_sync/sync/stamps.h"
#include "mana_sync/sync/store_port.h"
#include "mana_sync/sync/stream_cache.h"

namespace mana_sync::sync {

struct EngineOptions {
  size_t cache_bytes_max = 0;  // 0: no stream is kept in memory beyond its use
  MergeOptions merge;
};

// The JSON body of a 200; or kInvalid, kUnavailable, or what the store failed with (StorePort).
using AnswerCallback = std::move_only_function<void(Result<GatheredText>)>;

struct PushRequest {
  StreamName stream;
  // The `X-Client-Id` header; nullopt: the body's `clientId` counts (PROTOCOL 2.3).
  std::optional<std::string> client_id;
  std::string body;
};

struct PullRequest {
  StreamName stream;
  std::vector<std::string> tables;  // empty: all
  int64_t since_us = 0;
  std::optional<std::string> exclude_client;   // whose changes are left out (PROTOCOL 3.1)
  size_t changes_max = 0;                      // at least 1
  size_t bytes_max = limits::kAnswerBytesMax;  // the first change always fits
};

// Changes of one table that follow each other in what was asked for.
struct ChangeRun {
  std::string table;       // as a JSON string
  GatheredText changes{};  // as they are sent (PROTOCOL §4), a comma between two
  int64_t cursor_us = 0;   // who has all up to this run, and asks from there on, misses nothing
};

// A part of a stream, in order: what a pull brings, for one who follows it (PROTOCOL §7).
struct ChangePage {
  std::vector<ChangeRun> runs;
  int64_t synced_until_us = 0;  // where the next page begins
  bool has_more = false;        // there is a next page now
};
using ChangePageCallback = std::move_only_function<void(Result<ChangePage>)>;

class PushService;
class PullService;

// One per worker; one thread.
class Engine {
 public:
  // All must outlive the engine.
  Engine(EngineOptions options, const Clock& clock, StorePort& store, Metrics& metrics);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Calls `done` exactly once: at once where the request is refused, else from a callback of the
  // store or from run().
  void push(PushRequest request, AnswerCallback done);
  void pull(PullRequest request, AnswerCallback done);
  // A page of what pull() would answer, in parts. Fails as that does.
  void read_page(PullRequest request, ChangePageCallback done);

  // Merges what waits and hands units to the store. Called once at the end of each tick; where that
  // was much, the rest is left to the next one.
  void run();
  // Something is left.
  [[nodiscard]] bool is_due() const;

  // The lease: stamps and cursors stay in (floor_us, high_water_us]. Beyond it pushes are refused
  // and cursors stand still. Another floor than the last one's means that another process may have
  // written since: what memory holds is forgotten, and subscribers are told (ARCHITECTURE §5).
  void grant(int64_t floor_us, int64_t high_water_us);
  // Until the next grant() nobody knows whether another process serves: a cursor that is later than
  // any from here is refused, since an answer would move it back (PROTOCOL 10.1). What memory can
  // answer goes on.
  void suspend() { stamps_.suspend(); }
  // Who is told of commits. drain() it in the tick in which the store's callbacks came: what a
  // subscriber then asks for is there.
  [[nodiscard]] Hub& hub() { return hub_; }
  // The newest stamp or cursor handed out.
  [[nodiscard]] int64_t last_stamp_us() const { return stamps_.last(); }
  // Pushes that wait or are under way.
  [[nodiscard]] size_t waiting_pushes() const;

 private:
  Stamps stamps_;
  std::optional<int64_t> floor_us_;
  StreamCache cache_;
  Hub hub_;
  std::unique_ptr<PullService> pulls_;
  std::unique_ptr<PushService> pushes_;
};

}  // namespace mana_sync::sync
