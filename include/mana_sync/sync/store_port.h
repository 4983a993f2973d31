// What the engine needs of a store (ARCHITECTURE §2): `store` implements it over PostgreSQL, the
// simulator over memory. All calls and callbacks are on one thread; a callback never comes from
// within the call that it answers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/result.h"
#include "mana_sync/base/shared_text.h"
#include "mana_sync/base/uuid.h"

namespace mana_sync::sync {

enum class Op : uint8_t { kInsert, kUpdate, kDelete };

// "insert", "update", "delete": in the protocol and in the table.
[[nodiscard]] std::string_view op_name(Op op);
[[nodiscard]] std::optional<Op> parse_op(std::string_view name);

// One row of sync_changes (ARCHITECTURE §7), without user and app. All views are borrowed: from the
// unit until its outcome is known, or from the result for the length of the callback.
struct ChangeRow {
  Uuid event_id{};
  int64_t stamp_us = 0;  // created_at, microseconds since 1970
  Op op = Op::kUpdate;
  std::string_view table{};
  std::string_view record{};
  std::string_view client_id{};
  std::string_view data{};              // JSON; empty: SQL NULL
  std::string_view field_timestamps{};  // JSON; empty: SQL NULL
  int schema_version = 1;
  std::string_view actor{};  // JSON; empty: SQL NULL
  std::optional<std::string_view> origin{};
  std::optional<std::string_view> space_id{};
};

// The names of a stream: everything one user wrote in one app.
struct StreamName {
  SharedText user_id;
  std::string app_id;
  friend bool operator==(const StreamName&, const StreamName&) = default;
  template <class State>
  friend State AbslHashValue(State state, const StreamName& name) {
    return State::combine(std::move(state), name.user_id, name.app_id);
  }
};

// Rows of one stream that are stored together or not at all, in stamp order. Stays where it is, and
// what its rows point to as well, until its outcome is known.
struct CommitUnit {
  const StreamName* stream = nullptr;
  std::vector<ChangeRow> rows;
};

enum class CommitOutcome {
  kCommitted,
  kRefused,  // PostgreSQL refused the data (SQLSTATE class 22 or 23): nothing is stored
  kFailed,   // nothing is stored; a later attempt may succeed
  kUnknown,  // the connection was lost and the deadline passed: stored or not, whole or not at all
};

using CommitCallback = std::move_only_function<void(CommitOutcome, std::string_view reason)>;

struct PageQuery {
  StreamName stream;
  std::vector<std::string> tables;  // empty: all
  int64_t after_us = 0;             // exclusive
  int64_t up_to_us = 0;             // inclusive; everything at or below it is settled
  std::optional<std::string> exclude_client;
  size_t changes_max = 0;
  size_t bytes_max = 0;  // of data; the first change always fits
};

struct Page {
  std::span<const ChangeRow> rows;  // in stamp order
  bool has_more = false;            // a bound ended it
  // With has_more: everything at or below is in `rows` or not asked for. After `after_us`, and not
  // before the last row. An answer with all of `rows` may give it for a cursor; one to a page
  // without rows must (PROTOCOL 3.2): such a page is not the end, it only passed over what the
  // query leaves out. Without has_more: `up_to_us`.
  int64_t scanned_up_to_us = 0;
};

using PageCallback = std::move_only_function<void(Result<Page>)>;

// Where a cell stands: the field of a record.
struct CellName {
  std::string table;
  std::string record;
  std::string field;
  // The winner's edit time as memory knows it; nullopt: it does not.
  std::optional<int64_t> time_ms{};
};

// What a row says of a cell.
struct StoredCell {
  std::string value;      // JSON
  std::string edit_time;  // what field_timestamps says of the field, JSON; empty: nothing
  int64_t stamp_us = 0;   // of the row
  std::string client_id;  // whose row it is
};

// An insert that may be stored already, and its record.
struct RecordName {
  std::string table;
  std::string record;
  std::string data{};  // a JSON object, without the keys `id` and `updatedAt`
};

// What a push needs to know beyond what memory holds: one call, one round trip.
struct LookupQuery {
  StreamName stream;
  std::vector<CellName> cells;      // whose winners are wanted
  std::string client_id;            // whose inserts are wanted
  std::vector<RecordName> records;  // these inserts
};

struct Lookup {
  // One for each asked cell, in order: the newest row that has the field with the asked edit time,
  // else (none was asked, or no row spells it so) the newest that has the field; nullopt if there
  // is none. For a delete, the cell `deletedAt` holds the time as a JSON string. A row's time of
  // receipt stands in for an edit time that it lacks. Of a cell that is asked for more than once
  // with different times, one of the times counts.
  std::vector<std::optional<StoredCell>> cells;
  // The rows of `client_id` that may be an asked insert, or what is left of one (an update,
  // PROTOCOL 5.4): of its record, with the same data or a part of it, and an `updatedAt` that is
  // the row's receipt time (PROTOCOL 2.7). In any order; others may be among them.
  std::span<const ChangeRow> inserts;
};

using LookupCallback = std::move_only_function<void(Result<Lookup>)>;

// Reads fail with kUnavailable (they waited too long, or too many do), kTooLarge (what was asked
// for passes a bound of the store's) or kInternal (PostgreSQL refused the statement).
class StorePort {
 public:
  virtual ~StorePort() = default;

  // Stores the unit with others in one transaction (ARCHITECTURE §6). Units of one stream are
  // handed in one at a time. `done` comes exactly once, within limits::kRequestDeadlineMs or a
  // little more.
  virtual void commit(const CommitUnit& unit, CommitCallback done) = 0;

  // The changes of a stream in a range, oldest first. Looks at limits::kPageScanRowsMax changes or
  // a few times `changes_max`, however few of them are asked for.
  virtual void read_page(PageQuery query, PageCallback done) = 0;

  // All changes of a stream, oldest first, in chunks: `on_chunk` for each, then `done` once. Rows
  // have `data` only where `field_timestamps` does not tell all their fields (a row that another
  // program wrote, PROTOCOL 4.3), then without the key `id`. No commit of the stream is in flight
  // meanwhile.
  virtual void load_stream(StreamName stream,
                           std::move_only_function<void(std::span<const ChangeRow>)> on_chunk,
                           std::move_only_function<void(Result<void>)> done) = 0;

  // What LookupQuery asks for, as it stands when PostgreSQL reads it.
  virtual void lookup(LookupQuery query, LookupCallback done) = 0;
};

}  // namespace mana_sync::sync
