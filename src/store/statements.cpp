#include "statements.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace mana_sync::store::statements {
namespace {

// Rows of pg_locks that say who holds this advisory lock: a number, or a parameter.
std::string held(std::string_view lock) {
  return fmt::format(R"(
  locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = {})",
                     lock);
}
std::string held(int64_t lock) {
  return held(std::to_string(lock));
}

// The session that holds the writer lock and waits for what it is told next, since a given moment.
std::string idle_writer() {
  return fmt::format(R"(
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE usename = current_user AND state = 'idle' AND {})",
                     held(kWriterLock));
}
constexpr std::string_view kSessionAndMoment = "pid || ' since ' || state_change";

std::string insert_batch_sql(std::string_view on_conflict) {
  return fmt::format(R"(
WITH lease AS MATERIALIZED (SELECT epoch = $1::bigint AS held FROM mana_sync_lease WHERE id = 1),
stored AS (
  INSERT INTO sync_changes (id, user_id, app_id, table_name, record_id, op, data, field_timestamps,
                            client_id, created_at, schema_version, actor, origin, space_id)
  SELECT incoming.* FROM lease,
    unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
           $9::jsonb[], $10::text[], $11::timestamptz[], $12::int4[], $13::jsonb[], $14::text[],
           $15::text[]) AS incoming
  WHERE lease.held {})
SELECT held FROM lease)",
                     on_conflict);
}

}  // namespace

const Statement& session_setup() {
  // Plans: always the indexes, never a plan for one call. Times: a vanished peer frees its locks
  // within half a minute, and one that closed its connection at once, whatever it waited for (since
  // PostgreSQL 14, and not on every system). Isolation: insert_batch relies on it. Row security
  // off: a policy that hides rows is an error, not a loss.
  static const Statement statement{"", R"(
SELECT set_config(name, value, false) FROM (VALUES
  ('default_transaction_isolation', 'read committed'), ('row_security', 'off'),
  ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
  ('enable_bitmapscan', 'off'), ('max_parallel_workers_per_gather', '0'), ('jit', 'off'),
  ('statement_timeout', $1::text), ('lock_timeout', '0'),
  ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
  ('tcp_user_timeout', '25000'), ('client_connection_check_interval', '1000')
) AS setting (name, value)
WHERE name <> 'client_connection_check_interval'
  OR current_setting('server_version_num')::int >= 140000 AND version() ~ 'linux')"};
  return statement;
}

const Statement& lock_batch() {
  static const Statement statement{
      "lock_batch", fmt::format("SELECT pg_advisory_xact_lock_shared({})", kBatchLock)};
  return statement;
}

const Statement& insert_batch() {
  static const Statement statement{"insert_batch", insert_batch_sql("")};
  return statement;
}

const Statement& insert_batch_again() {
  static const Statement statement{"insert_batch_again",
                                   insert_batch_sql("ON CONFLICT (id) DO NOTHING")};
  return statement;
}

const Statement& try_writer_lock() {
  static const Statement statement{"", fmt::format(R"(
SELECT is_locked, CASE WHEN is_locked THEN pg_try_advisory_lock_shared($1::bigint) END
FROM (SELECT pg_try_advisory_lock({}) AS is_locked OFFSET 0) AS writer)",
                                                   kWriterLock)};
  return statement;
}

const Statement& end_other_sessions() {
  static const Statement statement{"", fmt::format(R"(
SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE pid <> pg_backend_pid() AND {})",
                                                   held("$1::bigint"))};
  return statement;
}

const Statement& release_writer_lock() {
  static const Statement statement{"", fmt::format("SELECT pg_advisory_unlock({})", kWriterLock)};
  return statement;
}

const Statement& writer_idle_since() {
  static const Statement statement{"",
                                   fmt::format("SELECT {} {}", kSessionAndMoment, idle_writer())};
  return statement;
}

const Statement& end_writer_idle_since() {
  static const Statement statement{
      "", fmt::format("SELECT count(pg_terminate_backend(pid)) {} AND {} = $1::text", idle_writer(),
                      kSessionAndMoment)};
  return statement;
}

const Statement& read_lease() {
  static const Statement statement{"",
                                   "SELECT epoch, high_water_us FROM mana_sync_lease WHERE id = 1"};
  return statement;
}

const Statement& batch_holders() {
  static const Statement statement{
      "", fmt::format("SELECT virtualtransaction FROM pg_locks WHERE {}", held(kBatchLock))};
  return statement;
}

const Statement& end_batch_holders() {
  static const Statement statement{"", fmt::format(R"(
SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE usename = current_user AND virtualtransaction = ANY($1::text[]) AND {})",
                                                   held(kBatchLock))};
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
