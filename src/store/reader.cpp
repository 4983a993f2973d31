#include "reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/timestamp.h"
#include "row_decoder.h"

namespace mana_sync::store {
namespace {

BinaryArray text_array(size_t count, auto&& text_at) {
  BinaryArray array(ElementType::kText, count);
  for (size_t i = 0; i < count; ++i) array.add_text(text_at(i));
  return array;
}

// Whether tables are asked for, and few enough for each to be read by itself.
bool reads_tables(const sync::PageQuery& query) {
  return !query.tables.empty() && query.tables.size() <= limits::kPageTablesMax;
}

// How many rows the query may look at, of each table if it reads tables. No table is read further
// than the page can need, unless rows are left out of it.
size_t scan_max(const sync::PageQuery& query, size_t rows_max) {
  const size_t needed = rows_max + 1;
  if (rows_max >= limits::kTiedRowsMax) return needed;
  const size_t tables = reads_tables(query) ? query.tables.size() : 1;
  const bool leaves_out = query.exclude_client || query.tables.size() > limits::kPageTablesMax;
  const size_t scanned = leaves_out
                             ? std::max(limits::kPageScanRowsMax / tables, needed / tables)
                             : std::min(limits::kPageTablesReadMax * rows_max / tables, needed);
  return std::max<size_t>(scanned, 2);
}

Call page_call(const sync::PageQuery& query, size_t rows_max) {
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_time(query.after_us)
      .add_time(query.up_to_us);
  query.exclude_client ? params.add_text(*query.exclude_client) : params.add_null();
  params.add_int8(static_cast<int64_t>(rows_max))
      .add_int8(static_cast<int64_t>(scan_max(query, rows_max)))
      .add_int8(static_cast<int64_t>(query.bytes_max));
  if (query.tables.size() == 1) {
    params.add_text(query.tables.front());
    return {&statements::page_of_table(), std::move(params)};
  }
  if (query.tables.empty()) {
    params.add_null();
  } else {
    params.add_array(text_array(query.tables.size(), [&](size_t i) { return query.tables[i]; }));
  }
  return {reads_tables(query) ? &statements::page_of_tables() : &statements::page_of_stream(),
          std::move(params)};
}

// Where `rows_max` or the scan ended the result, rows of the last stamp may be missing.
void drop_incomplete_group(DecodedRows& decoded, size_t rows_max) {
  const bool is_full = !decoded.is_cut && decoded.rows.size() >= rows_max;
  if (!is_full && !decoded.scan_end_us) return;
  decoded.is_cut = true;
  const int64_t last_stamp_us = decoded.scan_end_us.value_or(decoded.rows.back().stamp_us);
  while (!decoded.rows.empty() && decoded.rows.back().stamp_us == last_stamp_us) {
    decoded.rows.pop_back();
  }
}

sync::Page page_of(const DecodedRows& decoded, const sync::PageQuery& query) {
  const size_t length = page_length(decoded.rows, query.changes_max, query.bytes_max);
  sync::Page page{.rows = std::span(decoded.rows).first(length),
                  .has_more = decoded.is_cut || length < decoded.rows.size(),
                  .scanned_up_to_us = query.up_to_us};
  if (length < decoded.rows.size()) {
    page.scanned_up_to_us = decoded.rows[length - 1].stamp_us;
  } else if (decoded.scan_end_us) {
    page.scanned_up_to_us = *decoded.scan_end_us - 1;
  } else if (page.has_more) {
    page.scanned_up_to_us = decoded.rows.back().stamp_us;
  }
  return page;
}

Call cells_call(const sync::LookupQuery& query) {
  const auto& cells = query.cells;
  BinaryArray times(ElementType::kText, cells.size());
  for (const sync::CellName& cell : cells) {
    cell.time_ms ? times.add_text(format_time_ms(*cell.time_ms)) : times.add_null();
  }
  Params params;
  params.add_text(query.stream.user_id)
      .add_text(query.stream.app_id)
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].table; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].record; }))
      .add_array(text_array(cells.size(), [&](size_t i) { return cells[i].field; }))
      .add_array(std::move(times))
      .add_int8(static_cast<int64_t>(limits::kLookupBytesMax));
  return {&statements::lookup_cells(), std::move(params)};
}

// Puts what cells_call() found where it was asked for; false: it does not fit.
bool take_cells(const PgResult& found, sync::Lookup& lookup) {
  using namespace statements;
  for (int row = 0; row < found.rows(); ++row) {
    if (!found.boolean(row, kCellFits)) return false;
    lookup.cells[static_cast<size_t>(found.int8(row, kPlace)) - 1] =
        sync::StoredCell{.value = std::string(found.text(row, kValue)),
                         .edit_time = std::string(found.text(row, kEditTime)),
                         .stamp_us = found.time_us(row, kStamp),
                         .client_id = std::string(found.text(row, kWriter))};
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
        const bool moves = !decoded.rows.empty() ||
                           (decoded.scan_end_us && *decoded.scan_end_us > query.after_us + 1);
        if (decoded.is_cut && !moves) {
          return read_large_group(std::move(query), rows_max, std::move(done));
        }
        done(page_of(decoded, query));
      });
}

// The first rows share one stamp and are more than the page. Only another program writes such.
void Reader::read_large_group(sync::PageQuery query, size_t rows_max, sync::PageCallback done) {
  if (rows_max < limits::kTiedRowsMax) {
    return read_rows(std::move(query), limits::kTiedRowsMax, std::move(done));
  }
  queue_.count_too_large();
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
  // How many rows it asks for. Rows that do not fit were read for nothing: after large rows it asks
  // for fewer.
  size_t rows_max = limits::kLoadChunkRowsMax;
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
      .add_int8(static_cast<int64_t>(load->rows_max))
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
    if (!decoded.is_cut && decoded.rows.size() < load->rows_max) return load->done({});
    load->rows_max = std::min(2 * decoded.rows.size(), limits::kLoadChunkRowsMax);
    load_chunk(load);
  });
}

// --- Lookups

void Reader::lookup(sync::LookupQuery query, sync::LookupCallback done) {
  std::vector<Call> calls;
  calls.push_back(cells_call(query));
  calls.push_back(inserts_call(query));
  queue_.read(query.stream, std::move(calls),
              [this, cells = query.cells.size(), done = std::move(done)](auto results) mutable {
                if (!results) return done(std::unexpected(std::move(results.error())));
                sync::Lookup lookup;
                lookup.cells.resize(cells);
                const DecodedRows inserts = decode_rows((*results)[1]);
                lookup.inserts = inserts.rows;
                if (inserts.is_cut || !take_cells((*results)[0], lookup)) {
                  queue_.count_too_large();
                  return done(fail(ErrorCode::kTooLarge,
                                   fmt::format("the stored values asked for exceed {} bytes",
                                               limits::kLookupBytesMax)));
                }
                done(std::move(lookup));
              });
}

}  // namespace mana_sync::store
