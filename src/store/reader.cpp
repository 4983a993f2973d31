#include "reader.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "mana_sync/base/limits.h"
#include "row_decoder.h"

namespace mana_sync::store {
namespace {

BinaryArray text_array(size_t count, auto&& text_at) {
  BinaryArray array(ElementType::kText, count);
  for (size_t i = 0; i < count; ++i) array.add_text(text_at(i));
  return array;
}

Call page_call(const sync::PageQuery& query, size_t rows_max) {
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_time(query.after_us)
      .add_time(query.up_to_us);
  query.exclude_client ? params.add_text(*query.exclude_client) : params.add_null();
  params.add_int8(static_cast<int64_t>(rows_max)).add_int8(static_cast<int64_t>(query.bytes_max));
  if (query.tables.empty()) return {&statements::page(), std::move(params)};
  if (query.tables.size() == 1) {
    params.add_text(query.tables.front());
    return {&statements::page_of_table(), std::move(params)};
  }
  params.add_array(text_array(query.tables.size(), [&](size_t i) { return query.tables[i]; }));
  return {&statements::page_of_tables(), std::move(params)};
}

// Where `rows_max` ended the result, rows of the last one's stamp may be missing.
void drop_incomplete_group(DecodedRows& decoded, size_t rows_max) {
  if (decoded.is_cut || decoded.rows.size() < rows_max) return;
  decoded.is_cut = true;
  const int64_t last_stamp_us = decoded.rows.back().stamp_us;
  while (!decoded.rows.empty() && decoded.rows.back().stamp_us == last_stamp_us) {
    decoded.rows.pop_back();
  }
}

Call values_call(const sync::LookupQuery& query) {
  const auto& cells = query.cells;
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].table; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].record; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].field; }))
      .add_int8(static_cast<int64_t>(limits::kLookupBytesMax));
  return {&statements::lookup_values(), std::move(params)};
}

Call inserts_call(const sync::LookupQuery& query) {
  const auto& records = query.records;
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_text(query.client_id)
      .add_array(text_array(records.size(), [&](size_t i) { return records[i].table; }))
      .add_array(text_array(records.size(), [&](size_t i) { return records[i].record; }))
      .add_int8(static_cast<int64_t>(limits::kLookupRowsPerRecordMax))
      .add_int8(static_cast<int64_t>(limits::kLookupBytesMax));
  return {&statements::lookup_inserts(), std::move(params)};
}

}  // namespace

// --- Pages

void Reader::read_page(sync::PageQuery query, sync::PageCallback done) {
  // One more than asked for tells whether there are more.
  const size_t rows_max = query.changes_max + 1;
  read_rows(std::move(query), rows_max, std::move(done));
}

void Reader::read_rows(sync::PageQuery query, size_t rows_max, sync::PageCallback done) {
  const sync::StreamName stream = query.stream;
  std::vector<Call> calls;
  calls.push_back(page_call(query, rows_max));
  queue_.read(
      stream, std::move(calls),
      [this, query = std::move(query), rows_max, done = std::move(done)](auto results) mutable {
        if (!results) return done(std::unexpected(std::move(results.error())));
        DecodedRows decoded = decode_rows(results->front());
        drop_incomplete_group(decoded, rows_max);
        if (decoded.rows.empty() && decoded.is_cut) {
          return read_large_group(std::move(query), rows_max, std::move(done));
        }
        const size_t length = page_length(decoded.rows, query.changes_max, query.bytes_max);
        const bool has_more = decoded.is_cut || length < decoded.rows.size();
        done(sync::Page{std::span(decoded.rows).first(length), has_more});
      });
}

// The first rows share one stamp and are more than the page. Only another program writes such.
void Reader::read_large_group(sync::PageQuery query, size_t rows_max, sync::PageCallback done) {
  if (rows_max < limits::kTiedRowsMax) {
    return read_rows(std::move(query), limits::kTiedRowsMax, std::move(done));
  }
  done(fail(ErrorCode::kTooLarge,
            fmt::format("more than {} changes of one stamp", limits::kTiedRowsMax)));
}

// --- Loads

struct Reader::Load {
  sync::StreamName stream;
  OnChunk on_chunk;
  LoadDone done;
  // Where the next chunk begins: after this row. Rows of one stamp are told apart by their ids.
  int64_t last_stamp_us = std::numeric_limits<int64_t>::min();
  Uuid last_id{};
};

void Reader::load_stream(sync::StreamName stream, OnChunk on_chunk, LoadDone done) {
  load_chunk(std::make_shared<Load>(std::move(stream), std::move(on_chunk), std::move(done)));
}

void Reader::load_chunk(std::shared_ptr<Load> load) {
  Params params;
  params.add_text(load->stream.user_id)
      .add_text(load->stream.app_id)
      .add_time(load->last_stamp_us)
      .add_uuid(load->last_id)
      .add_int8(static_cast<int64_t>(limits::kLoadChunkRowsMax))
      .add_int8(static_cast<int64_t>(limits::kLoadChunkBytesMax));
  std::vector<Call> calls;
  calls.push_back({&statements::load_chunk(), std::move(params)});
  const sync::StreamName& stream = load->stream;
  queue_.read(stream, std::move(calls), [this, load](auto results) {
    if (!results) return load->done(std::unexpected(std::move(results.error())));
    const DecodedRows decoded = decode_rows(results->front());
    if (!decoded.rows.empty()) {
      load->last_stamp_us = decoded.rows.back().stamp_us;
      load->last_id = decoded.rows.back().event_id;
      load->on_chunk(decoded.rows);
    }
    const bool is_last = !decoded.is_cut && decoded.rows.size() < limits::kLoadChunkRowsMax;
    is_last ? load->done({}) : load_chunk(load);
  });
}

// --- Lookups

void Reader::lookup(sync::LookupQuery query, sync::LookupCallback done) {
  std::vector<Call> calls{values_call(query), inserts_call(query)};
  queue_.read(query.stream, std::move(calls), [done = std::move(done)](auto results) mutable {
    if (!results) return done(std::unexpected(std::move(results.error())));
    const PgResult& values = (*results)[0];
    const DecodedRows inserts = decode_rows((*results)[1]);
    const auto too_large = [&done] {
      done(fail(ErrorCode::kTooLarge, fmt::format("the stored values asked for exceed {} bytes",
                                                  limits::kLookupBytesMax)));
    };
    if (inserts.is_cut) return too_large();
    sync::Lookup lookup;
    for (int row = 0; row < values.rows(); ++row) {
      constexpr int kValue = 0;
      constexpr int kFits = 1;
      if (!values.boolean(row, kFits)) return too_large();
      lookup.values.push_back(values.is_null(row, kValue)
                                  ? std::nullopt
                                  : std::optional<std::string>(values.text(row, kValue)));
    }
    lookup.inserts = inserts.rows;
    done(std::move(lookup));
  });
}

}  // namespace mana_sync::store
