#include "stream_loader.h"

#include <algorithm>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::sync {

StreamLoader::StreamLoader(const Clock& clock, StorePort& store, StreamCache& cache,
                           Metrics& metrics)
    : clock_(clock),
      store_(store),
      cache_(cache),
      loads_(metrics.counter("mana_sync_stream_loads_total", "Streams read into memory")),
      loaded_changes_(metrics.counter("mana_sync_stream_loaded_changes_total",
                                      "Changes read to load streams into memory")),
      load_us_(metrics.counter("mana_sync_stream_load_seconds_total",
                               "Time that loads of streams took, all together", "",
                               Measure::kMicroseconds)),
      in_flight_gauge_(metrics.gauge("mana_sync_stream_loads_in_flight",
                                     "Streams that are being read into memory")),
      waiting_gauge_(metrics.gauge("mana_sync_stream_loads_waiting",
                                   "Streams that wait to be read into memory")) {}

void StreamLoader::load(Stream& stream, Done done) {
  MANA_CHECK(stream.busy && stream.state == Stream::State::kEmpty);
  stream.state = Stream::State::kLoading;
  waiting_.push_back({&stream, std::move(done)});
  start_next();
}

void StreamLoader::start_next() {
  while (users_in_flight_.size() < limits::kLoadsAtOnceMax) {
    // One user's streams may be large, and many: they leave room for those of others.
    const auto next = std::ranges::find_if(waiting_, [this](const Load& load) {
      return std::ranges::count(users_in_flight_, load.stream->name.user_id) <
             limits::kUserLoadsAtOnceMax;
    });
    if (next == waiting_.end()) break;
    Load load = std::move(*next);
    waiting_.erase(next);
    Stream& stream = *load.stream;
    users_in_flight_.push_back(stream.name.user_id);
    loads_.add();
    store_.load_stream(
        stream.name,
        [this, &stream](std::span<const ChangeRow> rows) {
          loaded_changes_.add(static_cast<int64_t>(rows.size()));
          for (const ChangeRow& row : rows) stream.apply(row);
          cache_.account(stream);
        },
        [this, user_id = stream.name.user_id, begun_ns = clock_.steady_ns(),
         done = std::move(load.done)](Result<void> result) mutable {
          load_us_.add((clock_.steady_ns() - begun_ns) / 1'000);
          users_in_flight_.erase(std::ranges::find(users_in_flight_, user_id));
          start_next();
          done(std::move(result));
        });
  }
  in_flight_gauge_.set(static_cast<int64_t>(users_in_flight_.size()));
  waiting_gauge_.set(static_cast<int64_t>(waiting_.size()));
}

}  // namespace mana_sync::sync
