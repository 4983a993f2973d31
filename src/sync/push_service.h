// Pushes (PROTOCOL §2): each joins its stream's queue; when the stream has no commit in flight, all
// that wait are merged in order and handed to the store as one unit (ARCHITECTURE §4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "json_tree.h"
#include "mana_sync/sync/engine.h"
#include "mana_sync/sync/hub.h"
#include "pull_service.h"
#include "stream_loader.h"
#include "waiting_push.h"

namespace mana_sync::sync {

// What a push that is refused has met, for the metric.
enum class PushBound : uint8_t {
  kStream,  // limits::kStreamQueuePushesMax
  kAll,     // limits::kWaitingPushesMax
  kBytes,   // limits::kWaitingPushBytesMax
  kTime,    // limits::kRequestDeadlineMs
  kLease,   // the lease on time has run out (ARCHITECTURE §5)
};
inline constexpr size_t kPushBoundCount = 5;

// One thread.
class PushService {
 public:
  PushService(const MergeOptions& options, const Clock& clock, StorePort& store, StreamCache& cache,
              Stamps& stamps, PullService& pulls, Hub& hub, Metrics& metrics);
  ~PushService();

  void push(PushRequest request, AnswerCallback done);

  // Lets every stream with work take its next step, up to limits::kMergedEditsPerTickMax.
  void run();
  // There is work for the next run().
  [[nodiscard]] bool is_due() const { return !scheduled_.empty(); }

  [[nodiscard]] size_t waiting() const { return waiting_; }

 private:
  static constexpr std::string_view kTooBusy = "too many pushes wait";

  void enqueue(std::unique_ptr<WaitingPush> push);
  // What a stream does next. A step ends by making the stream busy, or by emptying its queue.
  void advance(Stream& stream);
  void start_load(Stream& stream);
  void on_loaded(Stream& stream, Result<void> result);
  void start_unit(Stream& stream);
  void start_lookup(Stream& stream, WaitingPush& push, Unknowns unknowns);
  void on_looked_up(Stream& stream, Unknowns unknowns, Result<Lookup> found);
  void submit_commit(Stream& stream, std::unique_ptr<UnitInFlight> unit);
  void on_committed(Stream& stream, CommitOutcome outcome, std::string_view reason);

  // Merges `push` into `unit`.
  void merge_into(Stream& stream, UnitInFlight& unit, std::unique_ptr<WaitingPush> push);
  Merged restate(WaitingPush& push, const CellOverlay& cells);
  void remember_rows(Stream& stream, const UnitInFlight& unit);
  // Those who follow the stream are told that there may be something new.
  void publish(const UnitInFlight& unit);
  void retry_one_by_one(Stream& stream, UnitInFlight& unit);

  // The push is committed. What it disputes is looked up first, if need be; then it is answered.
  void answer_stored(Stream& stream, std::unique_ptr<WaitingPush> push);
  void report(std::unique_ptr<WaitingPush> push, std::vector<std::optional<StoredCell>> found);
  // What an answer holds beside its report. Takes the client's id out of the changeset.
  [[nodiscard]] static PullRequest delta_for(StreamName stream, Changeset& changeset);
  void answer(std::unique_ptr<WaitingPush> push, PushReport report);
  void store_left_over(std::unique_ptr<WaitingPush> push, Answered answered);

  void refuse(std::unique_ptr<WaitingPush> push, ErrorCode code, std::string_view why);
  void refuse_all_of(UnitInFlight& unit, std::string_view why);
  void refuse_all(Stream& stream, const Error& why);
  [[nodiscard]] std::unique_ptr<WaitingPush> take_first(Stream& stream);
  void count(PushBound bound) { refused_[static_cast<size_t>(bound)]->add(); }
  // What one more push of the stream, of `bytes`, would meet if it waited; nullopt: it may.
  [[nodiscard]] std::optional<PushBound> find_bound(const StreamName& name, size_t bytes);
  // A push of `bytes` counts no longer against the bounds: it is answered.
  void release(size_t bytes);
  void become_idle(Stream& stream);
  void schedule(Stream& stream);

  const MergeOptions options_;
  const Clock& clock_;
  StorePort& store_;
  StreamCache& cache_;
  Stamps& stamps_;
  PullService& pulls_;
  Hub& hub_;
  StreamLoader loader_;
  ChangesetReader reader_;
  JsonTree scratch_;
  UuidGenerator ids_;
  std::vector<Stream*> scheduled_;
  std::vector<Stream*> due_;  // what run() has taken from there
  ptrdiff_t edits_left_ = 0;  // of what this run() may merge
  // Pushes that wait or are under way.
  size_t waiting_ = 0;
  size_t waiting_bytes_ = 0;
  Counter& clamped_;
  Counter& lookups_;
  Counter& conflicts_;
  Counter& corrections_;
  Counter& stored_changes_;
  std::array<Counter*, kPushBoundCount> refused_;  // by bound
  Gauge& waiting_gauge_;
};

}  // namespace mana_sync::sync
