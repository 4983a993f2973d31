#include "statements.h"

#include <fmt/format.h>

#include <string_view>

namespace mana_sync::store::statements {
namespace {

// The casts hold a table whose columns are of a similar type; the conditions leave out rows that no
// client could be told of.
constexpr std::string_view kColumns = R"(
         id::uuid AS id, op::text AS op, table_name::text AS table_name,
         record_id::text AS record_id, client_id::text AS client_id, created_at,
         schema_version::int4 AS schema_version)";
constexpr std::string_view kOfStream = R"(
  WHERE user_id = $1::text AND app_id = $2::text AND op IN ('insert', 'update', 'delete')
    AND isfinite(created_at))";

std::string stream_rows() {
  return fmt::format(R"(
  SELECT {}, data, field_timestamps, actor, origin::text AS origin, space_id::text AS space_id
  FROM sync_changes {})",
                     kColumns, kOfStream);
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
       CASE WHEN fits THEN actor END, origin, space_id, fits
FROM (
  SELECT *, stored_fits AND coalesce(
    sum(coalesce(octet_length(data), 0) + coalesce(octet_length(field_timestamps), 0)
        + coalesce(octet_length(actor), 0)) OVER before < {2}, true) AS fits
  FROM (
    SELECT id, op, table_name, record_id, client_id, created_at, schema_version,
           CASE WHEN {3} THEN data::text END AS data,
           CASE WHEN {3} THEN field_timestamps::text END AS field_timestamps,
           CASE WHEN {3} THEN actor::text END AS actor, origin, space_id, {3} AS stored_fits
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

std::string page_sql(std::string_view table_filter) {
  const std::string rows = fmt::format(R"({} {}
    AND created_at > $3::timestamptz AND created_at <= $4::timestamptz
    AND ($5::text IS NULL OR client_id IS DISTINCT FROM $5::text)
  ORDER BY created_at LIMIT $6::bigint)",
                                       stream_rows(), table_filter);
  return bounded(rows, "created_at", "$7::bigint");
}

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
         field_timestamps, NULL::jsonb AS actor, NULL::text AS origin, NULL::text AS space_id
  FROM sync_changes {}
    AND created_at >= $3::timestamptz AND (created_at, id) > ($3::timestamptz, $4::uuid)
  ORDER BY created_at, id LIMIT $5::bigint)",
                                       kColumns, kOfStream);
  return bounded(rows, "created_at, id", "$6::bigint");
}

// A delete is an edit of `deletedAt` (PROTOCOL 2.8), with the row's stamp for a time where another
// program stored none (PROTOCOL 4.3).
constexpr std::string_view kDeletedAt = R"(coalesce(
           data -> 'deletedAt', field_timestamps -> 'deletedAt' -> 'at',
           field_timestamps -> 'deletedAt', to_jsonb(to_char(
             created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))))";

std::string lookup_values_sql() {
  return fmt::format(R"(
SELECT n, CASE WHEN fits THEN value END, fits
FROM (
  SELECT n, value,
         coalesce(sum(octet_length(value)) OVER (ORDER BY n), 0) <= $6::bigint AS fits
  FROM (
    SELECT n, (
      SELECT CASE WHEN op = 'delete' AND cell.field = 'deletedAt' THEN {}
                  ELSE coalesce(data -> cell.field, 'null') END::text
      FROM sync_changes
      WHERE user_id = $1::text AND app_id = $2::text AND table_name = cell.table_name
        AND record_id = cell.record_id
        AND (data ? cell.field OR field_timestamps ? cell.field
             OR (op = 'delete' AND cell.field = 'deletedAt'))
      ORDER BY created_at DESC LIMIT 1) AS value
    FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY
      AS cell (table_name, record_id, field, n) OFFSET 0
  ) AS cells
) AS bounded)",
                     kDeletedAt);
}

std::string lookup_all_values_sql() {
  // `places` tells for each asked field the cells that ask for it: a look into it, unlike a join,
  // costs the same however wrong the planner guesses. Each row of `stored` is read once, and is
  // whole before any value becomes text. A row that names a field twice tells by `rank` what
  // counts. The values of a cell asked for many times are multiplied only where they fit.
  return fmt::format(R"(
WITH asked AS MATERIALIZED (
  SELECT table_name, record_id, jsonb_object_agg(field, cells) AS places
  FROM (
    SELECT table_name, record_id, field, jsonb_agg(n) AS cells
    FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY
      AS cell (table_name, record_id, field, n)
    GROUP BY table_name, record_id, field
  ) AS fields
  GROUP BY table_name, record_id
)
SELECT n::bigint, CASE WHEN fits THEN value END, fits
FROM (
  SELECT cells, value,
         sum(octet_length(value)::bigint * jsonb_array_length(cells)) OVER () <= $6::bigint AS fits
  FROM (
    SELECT cells, value::text AS value
    FROM (
      SELECT DISTINCT ON (key COLLATE "C", table_name, record_id) cells, value
      FROM asked, LATERAL (
        SELECT key, value, rank, created_at, places -> key AS cells
        FROM (
          SELECT created_at, op, data, field_timestamps,
                 CASE WHEN jsonb_typeof(data) = 'object' THEN data END AS fields,
                 CASE WHEN jsonb_typeof(field_timestamps) = 'object'
                      THEN field_timestamps END AS times
          FROM sync_changes
          WHERE user_id = $1::text AND app_id = $2::text AND table_name = asked.table_name
            AND record_id = asked.record_id
        ) AS stored, LATERAL (
          SELECT 'deletedAt' AS key, {} AS value, 0 AS rank WHERE op = 'delete'
          UNION ALL SELECT key, value, 1 FROM jsonb_each(fields)
          UNION ALL SELECT key, 'null', 2 FROM jsonb_object_keys(times) AS time (key)
        ) AS told
        WHERE places ? key
      ) AS named
      ORDER BY key COLLATE "C", table_name, record_id, created_at DESC, rank
    ) AS newest OFFSET 0
  ) AS as_text
) AS bounded, jsonb_array_elements_text(cells) AS cell (n))",
                     kDeletedAt);
}

std::string lookup_inserts_sql() {
  // What is_stored_insert (src/sync/stored_insert.h) asks of a row, as far as the row tells alone:
  // it says when it was received (its stamp, rounded up to milliseconds), and otherwise what the
  // insert says, or a part of it.
  const std::string rows = fmt::format(R"(
  SELECT written.* FROM
    (SELECT DISTINCT * FROM unnest($4::text[], $5::text[], $6::jsonb[])
       AS asked (asked_table, asked_record, asked_data)) AS asked,
    LATERAL ({}
      AND table_name = asked_table AND record_id = asked_record AND client_id = $3::text
      AND op <> 'delete'
      AND CASE WHEN data ->> 'updatedAt' = to_char(
                 (created_at + interval '999 us') AT TIME ZONE 'UTC',
                 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
               THEN CASE op WHEN 'insert' THEN data - '{{id,updatedAt}}'::text[] = asked_data
                            ELSE data - '{{id,updatedAt}}'::text[] <@ asked_data END END
    ORDER BY created_at DESC LIMIT $7::bigint) AS written)",
                                       stream_rows());
  return bounded(rows, "created_at, id", "$8::bigint");
}

std::string batch_lock_filter() {
  return fmt::format(R"(
  locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = {})",
                     kBatchLock);
}

}  // namespace

const Statement& session_setup() {
  // Plans: always the indexes, never a plan for one call. Times: a vanished peer frees its locks
  // within half a minute. Isolation: insert_batch relies on it. Row security off: a policy that
  // hides rows is an error, not a loss.
  static const Statement statement{"", R"(
SELECT set_config(name, value, false) FROM (VALUES
  ('default_transaction_isolation', 'read committed'), ('row_security', 'off'),
  ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
  ('enable_bitmapscan', 'off'), ('jit', 'off'), ('statement_timeout', $1::text), ('lock_timeout', '0'),
  ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')
) AS setting (name, value))"};
  return statement;
}

const Statement& lock_batch() {
  static const Statement statement{
      "lock_batch", fmt::format("SELECT pg_advisory_xact_lock_shared({})", kBatchLock)};
  return statement;
}

const Statement& insert_batch() {
  static const Statement statement{"insert_batch", R"(
WITH lease AS MATERIALIZED (SELECT epoch = $1::bigint AS held FROM mana_sync_lease WHERE id = 1),
stored AS (
  INSERT INTO sync_changes (id, user_id, app_id, table_name, record_id, op, data, field_timestamps,
                            client_id, created_at, schema_version, actor, origin, space_id)
  SELECT incoming.* FROM lease,
    unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
           $9::jsonb[], $10::text[], $11::timestamptz[], $12::int4[], $13::jsonb[], $14::text[],
           $15::text[]) AS incoming
  WHERE lease.held
  ON CONFLICT (id) DO NOTHING)
SELECT held FROM lease)"};
  return statement;
}

const Statement& page() {
  static const Statement statement{"page", page_sql("")};
  return statement;
}

const Statement& page_of_table() {
  static const Statement statement{"page_of_table", page_sql("AND table_name = $8::text")};
  return statement;
}

const Statement& page_of_tables() {
  static const Statement statement{"page_of_tables", page_sql("AND table_name = ANY ($8::text[])")};
  return statement;
}

const Statement& load_chunk() {
  static const Statement statement{"load_chunk", load_chunk_sql()};
  return statement;
}

const Statement& lookup_values() {
  static const Statement statement{"lookup_values", lookup_values_sql()};
  return statement;
}

const Statement& lookup_all_values() {
  static const Statement statement{"lookup_all_values", lookup_all_values_sql()};
  return statement;
}

const Statement& lookup_inserts() {
  static const Statement statement{"lookup_inserts", lookup_inserts_sql()};
  return statement;
}

const Statement& try_writer_lock() {
  static const Statement statement{"", fmt::format("SELECT pg_try_advisory_lock({})", kWriterLock)};
  return statement;
}

const Statement& release_writer_lock() {
  static const Statement statement{"", fmt::format("SELECT pg_advisory_unlock({})", kWriterLock)};
  return statement;
}

const Statement& read_lease() {
  static const Statement statement{"",
                                   "SELECT epoch, high_water_us FROM mana_sync_lease WHERE id = 1"};
  return statement;
}

const Statement& batch_holders() {
  static const Statement statement{
      "", fmt::format("SELECT virtualtransaction FROM pg_locks WHERE {}", batch_lock_filter())};
  return statement;
}

const Statement& end_batch_holders() {
  static const Statement statement{"", fmt::format(R"(
SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE usename = current_user AND {})",
                                                   batch_lock_filter())};
  return statement;
}

const Statement& raise_epoch() {
  static const Statement statement{"", R"(
UPDATE mana_sync_lease SET epoch = epoch + 1, high_water_us = greatest(high_water_us, $1::bigint)
WHERE id = 1 RETURNING epoch, high_water_us)"};
  return statement;
}

const Statement& renew_lease() {
  static const Statement statement{"", R"(
UPDATE mana_sync_lease SET high_water_us = greatest(high_water_us, $1::bigint)
WHERE id = 1 AND epoch = $2::bigint RETURNING high_water_us)"};
  return statement;
}

const Statement& end_lease() {
  static const Statement statement{"", R"(
UPDATE mana_sync_lease SET high_water_us = $1::bigint WHERE id = 1 AND epoch = $2::bigint)"};
  return statement;
}

}  // namespace mana_sync::store::statements
