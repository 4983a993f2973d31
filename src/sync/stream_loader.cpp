#include "stream_loader.h"

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
  while (in_flight_ < limits::kLoadsAtOnceMax && !waiting_.empty()) {
    Load load = std::move(waiting_.front());
    waiting_.pop_front();
    ++in_flight_;
    loads_.add();
    Stream& stream = *load.stream;
    store_.load_stream(
        stream.name,
        [this, &stream](std::span<const ChangeRow> rows) {
          loaded_changes_.add(static_cast<int64_t>(rows.size()));
          for (const ChangeRow& row : rows) stream.apply(row);
          cache_.account(stream);
        },
        [this, begun_ns = clock_.steady_ns(),
         done = std::move(load.done)](Result<void> result) mutable {
          load_us_.add((clock_.steady_ns() - begun_ns) / 1'000);
          --in_flight_;
          start_next();
          done(std::move(result));
        });
  }
  in_flight_gauge_.set(static_cast<int64_t>(in_flight_));
  waiting_gauge_.set(static_cast<int64_t>(waiting_.size()));
}

}  // namespace mana_sync::sync
