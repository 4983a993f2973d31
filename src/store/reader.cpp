#include "reader.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <limits>
#include <string_view>
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

// Cells that are asked for with one statement, and their places in the query.
struct AskedCells {
  std::vector<const sync::CellName*> cells;
  std::vector<size_t> places;
};

// How the values are looked up: what is read of a record does not grow with the cells asked of it.
struct SplitCells {
  AskedCells one_by_one;
  AskedCells by_record;
};

SplitCells split(const std::vector<sync::CellName>& cells) {
  using Record = std::pair<std::string_view, std::string_view>;
  absl::flat_hash_map<Record, size_t> counts;
  for (const sync::CellName& cell : cells) ++counts[Record(cell.table, cell.record)];
  SplitCells split;
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t count = counts[Record(cells[i].table, cells[i].record)];
    AskedCells& asked =
        count > limits::kLookupCellsOneByOneMax ? split.by_record : split.one_by_one;
    asked.cells.push_back(&cells[i]);
    asked.places.push_back(i);
  }
  return split;
}

Call values_call(const Statement& statement, const sync::StreamName& stream,
                 const std::vector<const sync::CellName*>& cells) {
  Params params;
  params.add_text(stream.user_id)
      .add_text(stream.app_id)
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i]->table; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i]->record; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i]->field; }))
      .add_int8(static_cast<int64_t>(limits::kLookupBytesMax));
  return {&statement, std::move(params)};
}

// Puts what values_call() found where it was asked for; false: it does not fit.
bool take_values(const PgResult& found, const std::vector<size_t>& places, sync::Lookup& lookup) {
  constexpr int kPlace = 0;
  constexpr int kValue = 1;
  constexpr int kFits = 2;
  for (int row = 0; row < found.rows(); ++row) {
    if (!found.boolean(row, kFits)) return false;
    if (found.is_null(row, kValue)) continue;
    const size_t place = static_cast<size_t>(found.int8(row, kPlace)) - 1;
    lookup.cells[places[place]] = sync::StoredCell{
        .value = std::string(found.text(row, kValue)), .edit_time = {}, .client_id = {}};
  }
  return true;
}

Call inserts_call(const sync::LookupQuery& query) {
  const auto& records = query.records;
  BinaryArray data(ElementType::kJsonb, records.size());
  for (const sync::RecordName& record : records) data.add_jsonb(record.data);
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_text(query.client_id)
      .add_array(text_array(records.size(), [&](size_t i) { return records[i].table; }))
      .add_array(text_array(records.size(), [&](size_t i) { return records[i].record; }))
      .add_array(std::move(data))
      .add_int8(static_cast<int64_t>(limits::kLookupRowsPerInsertMax))
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
  SplitCells cells = split(query.cells);
  std::vector<Call> calls;
  calls.push_back(values_call(statements::lookup_values(), query.stream, cells.one_by_one.cells));
  calls.push_back(
      values_call(statements::lookup_all_values(), query.stream, cells.by_record.cells));
  calls.push_back(inserts_call(query));
  queue_.read(query.stream, std::move(calls),
              [one_by_one = std::move(cells.one_by_one.places),
               by_record = std::move(cells.by_record.places),
               done = std::move(done)](auto results) mutable {
                if (!results) return done(std::unexpected(std::move(results.error())));
                sync::Lookup lookup;
                lookup.cells.resize(one_by_one.size() + by_record.size());
                const DecodedRows inserts = decode_rows((*results)[2]);
                lookup.inserts = inserts.rows;
                if (inserts.is_cut || !take_values((*results)[0], one_by_one, lookup) ||
                    !take_values((*results)[1], by_record, lookup)) {
                  return done(fail(ErrorCode::kTooLarge,
                                   fmt::format("the stored values asked for exceed {} bytes",
                                               limits::kLookupBytesMax)));
                }
                done(std::move(lookup));
              });
}

}  // namespace mana_sync::store
