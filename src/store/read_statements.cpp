// The statements that read changes: pages, loads and lookups.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "mana_sync/base/limits.h"
#include "statements.h"

namespace mana_sync::store::statements {
namespace {

using fmt::arg;

// The casts hold a table whose columns are of a similar type; the conditions leave out rows that no
// client could be told of.
constexpr std::string_view kColumns = R"(
         id::uuid AS id, op::text AS op, table_name::text AS table_name,
         record_id::text AS record_id, client_id::text AS client_id, created_at,
         schema_version::int4 AS schema_version)";
constexpr std::string_view kOfStream = R"(
  WHERE user_id = $1::text AND app_id = $2::text AND op IN ('insert', 'update', 'delete')
    AND isfinite(created_at))";

// Columns and source of whole rows; `also` yields further columns, each after a comma.
std::string rows_with(std::string_view also) {
  return fmt::format(R"(
  SELECT {}, data, field_timestamps, actor, origin::text AS origin, space_id::text AS space_id{}
  FROM sync_changes)",
                     kColumns, also);
}
std::string stream_rows(std::string_view also) {
  return fmt::format("{} {}", rows_with(also), kOfStream);
}

// Bounds `rows` (which come in `order`) by bytes within the query, so that a page of large rows is
// neither sent nor held: first by what they take in the table, which is cheap to know, then by the
// length of what is left as text (compressed values make the two differ). Rows alike in `order` are
// kept together, and the first always fit. The inner window keeps the planner from merging the two
// levels: each value becomes text once.
std::string bounded(std::string_view rows, std::string_view order, std::string_view bytes) {
  return fmt::format(R"(
SELECT id, op, table_name, record_id, client_id, created_at, schema_version,
       CASE WHEN fits THEN data END, CASE WHEN fits THEN field_timestamps END,
       CASE WHEN fits THEN actor END, origin, space_id, fits, wanted
FROM (
  SELECT *, stored_fits AND coalesce(
    sum(coalesce(octet_length(data), 0) + coalesce(octet_length(field_timestamps), 0)
        + coalesce(octet_length(actor), 0)) OVER before < {2}, true) AS fits
  FROM (
    SELECT id, op, table_name, record_id, client_id, created_at, schema_version,
           CASE WHEN {3} THEN data::text END AS data,
           CASE WHEN {3} THEN field_timestamps::text END AS field_timestamps,
           CASE WHEN {3} THEN actor::text END AS actor, origin, space_id, wanted,
           {3} AS stored_fits
    FROM ({0}) AS stored
    WINDOW before AS (ORDER BY {1} GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  ) AS as_text
  WINDOW before AS (ORDER BY {1} GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS bounded
ORDER BY {1})",
                     rows, order, bytes,
                     fmt::format(R"(coalesce(
             sum(coalesce(pg_column_size(data), 0) + coalesce(pg_column_size(field_timestamps), 0)
                 + coalesce(pg_column_size(actor), 0)) OVER before < {}, true))",
                                 bytes));
}

// --- Pages

// What a page is made of: rows as they stand in an index, at most $7 of them, each with its `place`
// among them from 1. The row at place $7 is not part of the page: its stamp tells how far the scan
// came.

std::string scan(std::string_view of_table) {
  return fmt::format(R"({} {}
    AND created_at > $3::timestamptz AND created_at <= $4::timestamptz
  ORDER BY created_at LIMIT $7::bigint)",
                     stream_rows(", row_number() OVER (ORDER BY created_at) AS place"), of_table);
}

// The pair says nothing new, but only the index that has both can use it, which makes the planner
// take that one: for a table that statistics do not know it else takes the stream's index, and
// reads the stream to its end. (A pair for the upper end would keep the scan from stopping there:
// btree stops at what it knows to be sorted, and of a pair it knows that only of the first.)
std::string scan_of_table(std::string_view table) {
  return scan(fmt::format(R"(
    AND table_name = {0} AND (table_name, created_at) > ({0}, $3::timestamptz))",
                          table));
}

// The rows of a scan that are asked for; it is read no further than to the last of them.
std::string page_sql(std::string_view scanned, std::string_view table_filter) {
  const std::string rows = fmt::format(R"(
  SELECT id, op, table_name, record_id, client_id, created_at, schema_version,
         CASE WHEN wanted THEN data END AS data,
         CASE WHEN wanted THEN field_timestamps END AS field_timestamps,
         CASE WHEN wanted THEN actor END AS actor, origin, space_id, wanted
  FROM (
    SELECT *, place < $7::bigint AND ($5::text IS NULL OR client_id IS DISTINCT FROM $5::text) {}
              AS wanted
    FROM ({}) AS scanned
  ) AS marked
  WHERE wanted OR place = $7::bigint
  ORDER BY created_at LIMIT $6::bigint)",
                                       table_filter, scanned);
  return bounded(rows, "created_at", "$8::bigint");
}

std::string page_of_stream_sql() {
  return page_sql(scan(""), "AND ($9::text[] IS NULL OR table_name = ANY ($9::text[]))");
}

std::string page_of_table_sql() {
  return page_sql(scan_of_table("$9::text"), "");
}

std::string page_of_tables_sql() {
  const std::string scanned = fmt::format(R"(
  SELECT of_table.* FROM (SELECT DISTINCT unnest($9::text[])) AS asked (asked_table),
    LATERAL ({}) AS of_table)",
                                          scan_of_table("asked_table"));
  return page_sql(scanned, "");
}

// --- Loads

std::string load_chunk_sql() {
  // A field that field_timestamps does not tell: a key of data, other than `id`, that it lacks.
  const std::string rows = fmt::format(R"(
  SELECT {},
         CASE WHEN jsonb_typeof(data) IS DISTINCT FROM 'object' THEN NULL
              WHEN jsonb_typeof(field_timestamps) = 'object' AND field_timestamps ?& ARRAY(
                SELECT jsonb_object_keys(
                  CASE WHEN jsonb_typeof(data) = 'object' THEN data - 'id' ELSE '{{}}' END))
                THEN NULL
              ELSE data - 'id' END AS data,
         field_timestamps, NULL::jsonb AS actor, NULL::text AS origin, NULL::text AS space_id,
         true AS wanted
  FROM sync_changes {}
    AND created_at >= $3::timestamptz AND (created_at, id) > ($3::timestamptz, $4::uuid)
  ORDER BY created_at, id LIMIT $5::bigint)",
                                       kColumns, kOfStream);
  return bounded(rows, "created_at, id", "$6::bigint");
}

// --- Lookups

// The time of receipt (PROTOCOL 5.8): the stamp, rounded up to milliseconds.
constexpr std::string_view kReceiptTime = R"(to_char((created_at + interval '999 us')
               AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))";

// What a row (`op`, `created_at`) says of `field`, `value` and `edit` being what stands under that
// name in `data` and in `field_timestamps`. A delete is an edit of `deletedAt` (PROTOCOL 2.8), and
// the receipt stands in for an edit time that another program left out (PROTOCOL 4.3).
constexpr std::string_view kIsDelete = "(op = 'delete' AND field = 'deletedAt')";
const std::string& has_field() {
  static const std::string sql =
      fmt::format("(value IS NOT NULL OR edit IS NOT NULL OR {})", kIsDelete);
  return sql;
}
const std::string& edit_time() {
  static const std::string sql = fmt::format(R"(coalesce(
             edit ->> 'at', edit ->> 'updatedAt', edit #>> '{{}}',
             CASE WHEN {} THEN value #>> '{{}}' END, {}))",
                                             kIsDelete, kReceiptTime);
  return sql;
}
const std::string& told_value() {
  static const std::string sql = fmt::format(R"(CASE WHEN {} THEN coalesce(
             value, edit -> 'at', edit -> 'updatedAt', edit, to_jsonb({}))
           ELSE coalesce(value, 'null') END)",
                                             kIsDelete, kReceiptTime);
  return sql;
}

// A record's rows, newest first, are read for each of its cells, which ends at the first row as a
// rule. `id` is of the row that counts; null: these rows do not tell, and there are more.
std::string asked_cells() {
  constexpr std::string_view kOfRecord =
      "AND table_name = asked.table_name AND record_id = asked.record_id ORDER BY created_at DESC";
  const std::string rows_max = fmt::format("{} / cells_of_record", limits::kLookupRowsOneByOneMax);
  const std::string newest = fmt::format(R"((
             SELECT id, op, created_at,
                    data -> asked.field AS value, field_timestamps -> asked.field AS edit
             FROM sync_changes {} {} LIMIT {}) AS newest)",
                                         kOfStream, kOfRecord, rows_max);
  return fmt::format(R"(
  SELECT *, CASE WHEN cells_of_record <= {cells_max} THEN coalesce(
           (SELECT id FROM {newest}
            WHERE {has_field} AND (time IS NULL OR {edit_time} IN (time, short_time)) LIMIT 1),
           (SELECT id FROM {newest} WHERE {has_field} AND NOT EXISTS (
              SELECT FROM sync_changes {of_stream} {of_record} OFFSET {rows_max} LIMIT 1)
            LIMIT 1)) END AS id
  FROM (
    SELECT *, rtrim(rtrim(rtrim(time, 'Z'), '0'), '.') || 'Z' AS short_time,
           count(*) OVER (PARTITION BY table_name COLLATE "C", record_id COLLATE "C")
             AS cells_of_record
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
      AS cell (table_name, record_id, field, time, n)
  ) AS asked)",
                     arg("cells_max", limits::kLookupCellsOneByOneMax), arg("newest", newest),
                     arg("has_field", has_field()), arg("edit_time", edit_time()),
                     arg("of_stream", kOfStream), arg("of_record", kOfRecord),
                     arg("rows_max", rows_max));
}

// The rows of the cells that are left: all rows of a record are read, once. `places` tells for each
// of its asked fields what is asked of it: a look into it, unlike a join, costs the same however
// wrong the planner guesses. To append {} to an object makes it a plain value: it is fetched and
// decompressed once, and not for each look.
std::string rows_of_the_rest() {
  return fmt::format(R"(
  SELECT DISTINCT ON (record_no, field COLLATE "C") place, field, id
  FROM (
    SELECT *, {edit_time} IN (place ->> 'time', place ->> 'short_time') AS is_asked
    FROM (
      SELECT record_no, field, places -> field AS place, id, op, created_at,
             fields -> field AS value, times -> field AS edit
      FROM rest, LATERAL (
        SELECT id, op, created_at,
               CASE jsonb_typeof(data) WHEN 'object' THEN data || '{{}}' END AS fields,
               CASE jsonb_typeof(field_timestamps) WHEN 'object'
                 THEN field_timestamps || '{{}}' END AS times
        FROM sync_changes {of_stream}
          AND table_name = rest.table_name AND record_id = rest.record_id OFFSET 0
      ) AS stored, LATERAL (
        SELECT jsonb_object_keys(fields)
        UNION ALL SELECT * FROM jsonb_object_keys(times) AS time WHERE (fields ? time) IS NOT TRUE
        UNION ALL SELECT 'deletedAt' WHERE op = 'delete'
      ) AS named (field)
      WHERE places ? field OFFSET 0
    ) AS told
  ) AS judged
  ORDER BY record_no, field COLLATE "C", is_asked DESC NULLS LAST, created_at DESC)",
                     arg("edit_time", edit_time()), arg("of_stream", kOfStream));
}

std::string lookup_cells_sql() {
  // At the end each row that counts is read once, for all cells that it tells, and what it tells
  // becomes text cell by cell: neither sorting nor bounding ever holds many values.
  return fmt::format(R"(
WITH asked AS MATERIALIZED ({asked}),
rest AS MATERIALIZED (
  SELECT row_number() OVER () AS record_no, table_name, record_id, jsonb_object_agg(
           field, jsonb_build_object('n', places, 'time', time, 'short_time', short_time)) AS places
  FROM (
    SELECT table_name, record_id, field, jsonb_agg(n) AS places, min(time) AS time,
           min(short_time) AS short_time
    FROM asked WHERE id IS NULL GROUP BY table_name, record_id, field
  ) AS fields
  GROUP BY table_name, record_id
),
rows_of_the_rest AS MATERIALIZED ({rows_of_the_rest})
SELECT n, CASE WHEN fits THEN value END, CASE WHEN fits THEN edit END, created_at, client_id, fits
FROM (
  SELECT *, sum(octet_length(value) + coalesce(octet_length(edit), 0)
                + coalesce(octet_length(client_id), 0))
              OVER (ROWS UNBOUNDED PRECEDING) <= $7::bigint AS fits
  FROM (
    SELECT n, ({told_value})::text AS value, edit::text AS edit, created_at, client_id
    FROM (
      SELECT n, field, op, created_at, client_id, fields -> field AS value, times -> field AS edit
      FROM (
        SELECT id, array_agg(n) AS cells, array_agg(field) AS names
        FROM (
          SELECT n, field, id FROM asked WHERE id IS NOT NULL
          UNION ALL
          SELECT cell::bigint, field, id
          FROM rows_of_the_rest, jsonb_array_elements_text(place -> 'n') AS cell
        ) AS found
        GROUP BY id
      ) AS found, LATERAL (
        SELECT op, created_at, client_id::text AS client_id,
               CASE jsonb_typeof(data) WHEN 'object' THEN data || '{{}}' END AS fields,
               CASE jsonb_typeof(field_timestamps) WHEN 'object'
                 THEN field_timestamps || '{{}}' END AS times
        FROM sync_changes WHERE id = found.id OFFSET 0
      ) AS stored, unnest(cells, names) AS cell (n, field) OFFSET 0
    ) AS told OFFSET 0
  ) AS as_text
) AS bounded)",
                     arg("asked", asked_cells()), arg("rows_of_the_rest", rows_of_the_rest()),
                     arg("told_value", told_value()));
}

std::string lookup_inserts_sql() {
  // What is_stored_insert (src/sync/stored_insert.h) asks of a row, as far as the row tells alone:
  // it says when it was received, and otherwise what the insert says, or a part of it. Each row of
  // the records is read once, and whole inserts are told by a hash and by grouping: compared with
  // each other, as many rows as are asked would take their square.
  // The three columns that are compared say nothing new, but only the record's index has them all:
  // without statistics the planner may else take a stream's, and read the stream (as scan_of_table
  // says).
  constexpr std::string_view kSaid = "'{id,updatedAt}'::text[]";
  const std::string rows =
      fmt::format(R"(
  WITH asked AS MATERIALIZED (
    SELECT DISTINCT table_name, record_id, said, jsonb_hash_extended(said, 0) AS hash
    FROM unnest($4::text[], $5::text[], $6::jsonb[]) AS asked (table_name, record_id, said)
  ),
  own AS MATERIALIZED (
    SELECT asked_table AS table_name, asked_record AS record_id, own.*
    FROM (SELECT DISTINCT table_name AS asked_table, record_id AS asked_record FROM asked)
           AS records,
      LATERAL (
        SELECT id, created_at,
               CASE op WHEN 'insert' THEN jsonb_hash_extended(data - {said}, 0) END AS hash
        FROM sync_changes {of_stream}
          AND table_name = asked_table AND record_id = asked_record AND client_id = $3::text
          AND (table_name, record_id, created_at) > (asked_table, asked_record, '-infinity')
          AND op <> 'delete' AND data ->> 'updatedAt' = {receipt_time} OFFSET 0
      ) AS own
  ),
  whole AS (
    SELECT unnest((array_agg(id ORDER BY created_at DESC) FILTER (WHERE id IS NOT NULL))
                    [1 : $7::bigint::int]) AS id
    FROM (SELECT table_name, record_id, hash, id, created_at FROM own WHERE hash IS NOT NULL
          UNION ALL SELECT table_name, record_id, hash, NULL, NULL FROM asked) AS either
    GROUP BY table_name, record_id, hash HAVING bool_or(id IS NULL)
  ),
  parts AS MATERIALIZED (SELECT table_name, record_id, id, created_at FROM own WHERE hash IS NULL),
  part AS (
    SELECT newest.id FROM asked, LATERAL (
      SELECT parts.id FROM parts, LATERAL (
        SELECT data - {said} <@ asked.said AS is_part FROM sync_changes WHERE id = parts.id OFFSET 0
      ) AS stored
      WHERE parts.table_name = asked.table_name AND parts.record_id = asked.record_id AND is_part
      ORDER BY parts.created_at DESC LIMIT $7::bigint
    ) AS newest
  )
  SELECT written.* FROM (SELECT id AS found_id FROM whole UNION SELECT id FROM part) AS found,
    LATERAL ({stored} WHERE id = found_id OFFSET 0) AS written)",
                  arg("said", kSaid), arg("of_stream", kOfStream),
                  arg("receipt_time", kReceiptTime), arg("stored", rows_with(", true AS wanted")));
  return bounded(rows, "created_at, id", "$8::bigint");
}

}  // namespace

const Statement& page_of_stream() {
  static const Statement statement{"page_of_stream", page_of_stream_sql()};
  return statement;
}

const Statement& page_of_table() {
  static const Statement statement{"page_of_table", page_of_table_sql()};
  return statement;
}

const Statement& page_of_tables() {
  static const Statement statement{"page_of_tables", page_of_tables_sql()};
  return statement;
}

const Statement& load_chunk() {
  static const Statement statement{"load_chunk", load_chunk_sql()};
  return statement;
}

const Statement& lookup_cells() {
  static const Statement statement{"lookup_cells", lookup_cells_sql()};
  return statement;
}

const Statement& lookup_inserts() {
  static const Statement statement{"lookup_inserts", lookup_inserts_sql()};
  return statement;
}

}  // namespace mana_sync::store::statements
