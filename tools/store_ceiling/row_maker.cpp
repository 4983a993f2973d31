#include "row_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::ceiling {
namespace {

std::string field_times(size_t fields, std::string_view time) {
  std::string out = fmt::format(R"({{"n":"{0}","createdAt":"{0}","updatedAt":"{0}")", time);
  for (size_t i = 0; i < fields; ++i) {
    fmt::format_to(std::back_inserter(out), R"(,"f{}":"{}")", i, time);
  }
  return out + '}';
}

}  // namespace

RowMaker::RowMaker(const RowShape& shape, const std::string& prefix, size_t users)
    : shape_(shape), value_(shape.field_bytes, 'x'), ids_(std::random_device{}()) {
  for (size_t i = 0; i < std::max<size_t>(users, 1); ++i) {
    streams_.push_back({.name = {fmt::format("{}-{}", prefix, i), "ceiling"}});
  }
}

store::Params RowMaker::next(size_t rows, int64_t wall_us) {
  time_ = format_time_ms(wall_us / 1000);
  field_times_ = field_times(shape_.fields, time_);
  texts_.resize(rows);
  units_.clear();
  for (size_t row = 0; row < rows;) {
    Stream& stream = streams_[next_stream_++ % streams_.size()];
    sync::CommitUnit& unit = units_.emplace_back();
    unit.stream = &stream.name;
    const size_t end = std::min(rows, row + shape_.changes);
    for (; row < end; ++row) add_row(unit, stream, texts_[row], wall_us);
  }
  std::vector<const sync::CommitUnit*> units;
  for (const sync::CommitUnit& unit : units_) units.push_back(&unit);
  return store::batch_params(0, units);
}

void RowMaker::add_row(sync::CommitUnit& unit, Stream& stream, RowText& text, int64_t wall_us) {
  stream.last_stamp_us = std::max(wall_us, stream.last_stamp_us + 1);
  const uint64_t number = stream.records++;
  text.record = fmt::format("r{}", number);
  text.data.clear();
  const auto append = std::back_inserter(text.data);
  fmt::format_to(append, R"({{"id":"{}","n":{})", text.record, number);
  for (size_t i = 0; i < shape_.fields; ++i) fmt::format_to(append, R"(,"f{}":"{}")", i, value_);
  fmt::format_to(append, R"(,"createdAt":"{0}","updatedAt":"{0}"}})", time_);
  unit.rows.push_back({.event_id = ids_.next(stream.last_stamp_us),
                       .stamp_us = stream.last_stamp_us,
                       .op = sync::Op::kInsert,
                       .table = "todos",
                       .record = text.record,
                       .client_id = "device-0-0",
                       .data = text.data,
                       .field_timestamps = field_times_});
}

}  // namespace mana_sync::ceiling
