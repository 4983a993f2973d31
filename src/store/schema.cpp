// The statements that bring a database to the schema of ARCHITECTURE §7. A version that was
// released is never changed: what comes later is a version of its own.
#include <fmt/format.h>

#include "statements.h"

namespace mana_sync::store::statements {
namespace {

// Version 1: the table, whether new or of the original service.
constexpr const char* kCreateChanges = R"(
CREATE TABLE IF NOT EXISTS sync_changes (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  app_id TEXT NOT NULL,
  table_name TEXT NOT NULL,
  record_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  op TEXT NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
  data JSONB,
  field_timestamps JSONB DEFAULT '{}',
  client_id TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  schema_version INT NOT NULL DEFAULT 1,
  actor JSONB,
  origin TEXT,
  space_id TEXT))";

constexpr const char* kAddColumns = R"(
ALTER TABLE sync_changes
  ADD COLUMN IF NOT EXISTS data JSONB,
  ADD COLUMN IF NOT EXISTS field_timestamps JSONB DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS client_id TEXT NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  ADD COLUMN IF NOT EXISTS schema_version INT NOT NULL DEFAULT 1,
  ADD COLUMN IF NOT EXISTS actor JSONB,
  ADD COLUMN IF NOT EXISTS origin TEXT,
  ADD COLUMN IF NOT EXISTS space_id TEXT)";

// Times without a zone were written as UTC. Row security that binds the owner too would hide the
// rows from the server itself; other roles stay bound by it.
constexpr const char* kAlterColumns = R"(
DO $$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute
    WHERE attrelid = 'sync_changes'::regclass AND attnum > 0 AND NOT attisdropped
  LOOP
    IF old.name = 'created_at' AND old.type = 'timestamp without time zone' THEN
      ALTER TABLE sync_changes
        ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC';
    ELSIF old.name IN ('data', 'field_timestamps', 'actor') AND old.type = 'json' THEN
      EXECUTE format('ALTER TABLE sync_changes ALTER COLUMN %I DROP DEFAULT, '
                     'ALTER COLUMN %I TYPE jsonb USING %I::jsonb', old.name, old.name, old.name);
    END IF;
  END LOOP;
  IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = 'sync_changes'::regclass) THEN
    ALTER TABLE sync_changes NO FORCE ROW LEVEL SECURITY;
  END IF;
END $$)";

// An index on the same columns serves as well, whatever its name and direction.
constexpr const char* kCreateIndexes = R"(
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['user_id,app_id,created_at', 'table_name,record_id,created_at',
                                'user_id,app_id,table_name,created_at']
  LOOP
    IF NOT EXISTS (
      SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        JOIN pg_am ON pg_am.oid = relam
      WHERE indrelid = 'sync_changes'::regclass AND amname = 'btree' AND indisvalid
        AND indpred IS NULL AND indexprs IS NULL
        AND wanted = (
          SELECT string_agg(attname, ',' ORDER BY place)
          FROM unnest(indkey::int2[]) WITH ORDINALITY AS key (attnum, place)
            JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = key.attnum
          WHERE place <= indnkeyatts))
    THEN
      EXECUTE format('CREATE INDEX ON sync_changes (%s)', wanted);
    END IF;
  END LOOP;
END $$)";

// Version 2: the lease. Over an existing table it begins above what is there; a row that another
// program dated far ahead does not take the clock with it.
constexpr const char* kCreateLease = R"(
CREATE TABLE IF NOT EXISTS mana_sync_lease (
  id INT PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  high_water_us BIGINT NOT NULL))";

constexpr const char* kFirstLease = R"(
INSERT INTO mana_sync_lease
SELECT 1, 0, (extract(epoch FROM
  least(coalesce(max(created_at), 'epoch'), now() + interval '1 day')) * 1000000)::bigint
FROM sync_changes WHERE isfinite(created_at)
ON CONFLICT DO NOTHING)";

}  // namespace

const Statement& create_migrations_table() {
  // IF NOT EXISTS asks for the right to create even where nothing is created.
  static const Statement statement{"", R"(
DO $$
BEGIN
  IF to_regclass('mana_sync_migrations') IS NULL THEN
    CREATE TABLE mana_sync_migrations (
      version INT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
  END IF;
END $$)"};
  return statement;
}

const Statement& read_version() {
  static const Statement statement{
      "", "SELECT coalesce(max(version), 0)::int4 FROM mana_sync_migrations"};
  return statement;
}

const Statement& lock_migrations() {
  static const Statement statement{"",
                                   fmt::format("SELECT pg_advisory_xact_lock({})", kMigrationLock)};
  return statement;
}

const Statement& record_version() {
  static const Statement statement{"",
                                   "INSERT INTO mana_sync_migrations (version) VALUES ($1::int4)"};
  return statement;
}

const std::vector<std::vector<Statement>>& migrations() {
  static const std::vector<std::vector<Statement>> versions{
      {{"", kCreateChanges}, {"", kAddColumns}, {"", kAlterColumns}, {"", kCreateIndexes}},
      {{"", kCreateLease}, {"", kFirstLease}},
  };
  return versions;
}

}  // namespace mana_sync::store::statements
