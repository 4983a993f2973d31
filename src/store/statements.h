// All SQL of the server, in one place. Parameters and results are in binary format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mana_sync::store {

// `name` is what it is prepared as; an empty name is parsed at each use.
struct Statement {
  std::string name;
  std::string sql;
};

// The advisory locks, one key each; per database.
inline constexpr int64_t kWriterLock = 0x6d616e61'00000001;     // held by the one that writes
inline constexpr int64_t kBatchLock = 0x6d616e61'00000002;      // shared by each batch
inline constexpr int64_t kMigrationLock = 0x6d616e61'00000003;  // held while migrating

namespace statements {

// On every new connection, before anything else. $1 statement_timeout in milliseconds, as text.
[[nodiscard]] const Statement& session_setup();

// --- Group commit. Both in one transaction, in this order: the epoch is read with a snapshot that
// is taken after the lock is held, so that a take-over is seen (ARCHITECTURE §5).
[[nodiscard]] const Statement& lock_batch();
// $1 epoch, then an array for each column. Returns one boolean: false if the
// epoch is not the lease's; then nothing is stored.
[[nodiscard]] const Statement& insert_batch();
// The same for rows of which some may be stored already: those it leaves as they are. (Looking for
// each row's id takes PostgreSQL a fifth longer.)
[[nodiscard]] const Statement& insert_batch_again();

// --- Reads. Each yields the columns of RowColumn.
enum RowColumn : int {
  kId,
  kOp,
  kTable,
  kRecord,
  kClient,
  kCreatedAt,
  kSchemaVersion,
  kData,  // JSON as text, like the next two
  kFieldTimestamps,
  kActor,
  kOrigin,
  kSpaceId,
  // False: the bytes bound was passed before this row; its JSON columns are null.
  kFits,
  // False: the row is not of the result, and ends it: the scan came no further (pages only); its
  // JSON columns are null.
  kWanted,
};

// $1 user, $2 app, $3 after, $4 up to, $5 excluded client or null, $6 rows, $7 rows to look at (of
// each table, in `page_of_tables`), the one that ends the result among them, $8 bytes; $9:
// `page_of_stream` tables as text[] or null, `page_of_table` text, `page_of_tables` text[].
// The first looks at all rows of the stream, the others only at those of the tables.
[[nodiscard]] const Statement& page_of_stream();
[[nodiscard]] const Statement& page_of_table();
[[nodiscard]] const Statement& page_of_tables();

// $1 user, $2 app, $3 stamp and $4 id of the last row seen, $5 rows, $6 bytes. `data` is null where
// field_timestamps tells all fields (StorePort::load_stream).
[[nodiscard]] const Statement& load_chunk();

// $1 user, $2 app, $3 tables, $4 records, $5 fields, $6 edit times as format_time_ms() writes them
// or null, $7 bytes. A row for each cell that is stored, in any order. An edit time is found as it
// was given, or without the zeros that end its fraction. Of a record few rows are read for each
// cell, newest first, or else all rows, once for all its cells.
enum CellColumn : int {
  kPlace,  // among the asked, from 1
  kValue,  // JSON as text, like the next
  kEditTime,
  kStamp,
  kWriter,
  // False: the bytes bound was passed; the JSON columns are null.
  kCellFits,
};
[[nodiscard]] const Statement& lookup_cells();
// $1 user, $2 app, $3 client, $4 tables, $5 records, $6 data of the inserts (jsonb), $7 rows for
// each, $8 bytes.
[[nodiscard]] const Statement& lookup_inserts();

// --- Lease (ARCHITECTURE §5).
// $1 a number of the process's own, which its session locks, too, with the writer lock.
[[nodiscard]] const Statement& try_writer_lock();
// $1 that number: ends the other sessions that have locked it.
[[nodiscard]] const Statement& end_other_sessions();
[[nodiscard]] const Statement& release_writer_lock();
// One text, which session of our role holds the lock idly and since when; no row if none does. Then
// $1 such a text: ends that session, if it still stands so.
[[nodiscard]] const Statement& writer_idle_since();
[[nodiscard]] const Statement& end_writer_idle_since();
[[nodiscard]] const Statement& read_lease();  // epoch, high_water_us
// The virtual transactions that hold the batch lock now, one text each.
[[nodiscard]] const Statement& batch_holders();
// Ends the sessions of our role that hold it in one of these transactions, $1 text[].
[[nodiscard]] const Statement& end_batch_holders();
[[nodiscard]] const Statement& raise_epoch();  // $1 high water; returns epoch, high_water_us
[[nodiscard]] const Statement& renew_lease();  // $1 high water, $2 epoch; returns high_water_us
[[nodiscard]] const Statement& end_lease();    // $1 high water, $2 epoch

// --- Migrations.
[[nodiscard]] const Statement& create_migrations_table();
[[nodiscard]] const Statement& read_version();  // one int4, 0 for a new database
[[nodiscard]] const Statement& lock_migrations();
[[nodiscard]] const Statement& record_version();  // $1 int4
// The statements of each version, from 1; one transaction each.
[[nodiscard]] const std::vector<std::vector<Statement>>& migrations();

}  // namespace statements
}  // namespace mana_sync::store
