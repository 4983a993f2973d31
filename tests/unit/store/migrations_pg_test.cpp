#include <fmt/format.h>

#include "store_fixture.h"

namespace mana_sync::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using MigrationsTest = StoreTest;

const std::string kIndexes =
    "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute JOIN pg_class ON "
    "attrelid = pg_class.oid JOIN pg_index ON indexrelid = pg_class.oid "
    "WHERE indrelid = 'sync_changes'::regclass GROUP BY indexrelid ORDER BY 1";

void migrate(const std::string& url) {
  StoreProcess process(url);
  process.wait_ready();
}

TEST_F(MigrationsTest, EmptyDatabase_GetsTheSchema) {
  migrate(url);
  EXPECT_THAT(test::exec(url, kIndexes),
              ElementsAre(ElementsAre("id"), ElementsAre("table_name,record_id,created_at"),
                          ElementsAre("user_id,app_id,created_at"),
                          ElementsAre("user_id,app_id,table_name,created_at")));
  EXPECT_EQ(value("SELECT string_agg(version::text, ',' ORDER BY version) "
                  "FROM mana_sync_migrations"),
            "1,2");
}

TEST_F(MigrationsTest, SecondStart_ChangesNothing) {
  migrate(url);
  const auto applied = test::exec(url, "SELECT * FROM mana_sync_migrations ORDER BY version");
  const auto indexes = test::exec(url, "SELECT indexname FROM pg_indexes ORDER BY 1");
  migrate(url);
  EXPECT_EQ(test::exec(url, "SELECT * FROM mana_sync_migrations ORDER BY version"), applied);
  EXPECT_EQ(test::exec(url, "SELECT indexname FROM pg_indexes ORDER BY 1"), indexes);
}

// ARCHITECTURE §7: a table of the original service.
TEST_F(MigrationsTest, OldTable_IsBroughtToShapeAndLosesNothing) {
  exec(
      "CREATE TABLE sync_changes (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), "
      "app_id TEXT NOT NULL, table_name TEXT NOT NULL, record_id TEXT NOT NULL, "
      "user_id TEXT NOT NULL, op TEXT NOT NULL, data JSON, client_id TEXT NOT NULL, "
      "created_at TIMESTAMP NOT NULL DEFAULT now());"
      "CREATE INDEX old_name ON sync_changes (user_id, app_id, created_at DESC);"
      "CREATE INDEX partial ON sync_changes (table_name, record_id, created_at) "
      "  WHERE op = 'insert';"
      "INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, client_id, "
      "created_at) SELECT 'todo', 'todos', 'r' || n, 'user-1', 'insert', '{\"n\": 1}', 'c', "
      "timestamp '2024-01-01 10:00:00.123456' + n * interval '1 s' "
      "FROM generate_series(0, 99) n");
  StoreProcess process(url);
  process.wait_ready();
  EXPECT_THAT(test::exec(url,
                         "SELECT count(*), (extract(epoch FROM min(created_at)) * 1000000)"
                         "::bigint, min(schema_version), bool_and(data = '{\"n\": 1}'), "
                         "count(actor), count(origin), count(space_id) FROM sync_changes"),
              ElementsAre(ElementsAre("100", "1704103200123456", "1", "t", "0", "0", "0")));
  EXPECT_EQ(value("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE "
                  "'%(user_id, app_id, created_at%'"),
            "1")
      << "an index that serves is not built again";
  EXPECT_EQ(value("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE "
                  "'%(table_name, record_id, created_at%'"),
            "2")
      << "a partial one does not serve";
  const auto page = process.read_page(page_query());
  ASSERT_TRUE(page.has_value()) << page.error().message;
  EXPECT_EQ(page->records.size(), 100U);
  EXPECT_EQ(page->stamps.front(), 1'704'103'200'123'456);
}

TEST_F(MigrationsTest, NewerDatabase_IsRefusedUntilItFits) {
  migrate(url);
  exec("INSERT INTO mana_sync_migrations (version) VALUES (99)");
  StoreProcess process(url);
  process.run_until([&] { return process.has_logged("migration_failed"); });
  EXPECT_THAT(process.log_text, HasSubstr("version 99"));
  EXPECT_EQ(process.store->state(), StoreState::kConnecting);
  EXPECT_EQ(process.grants, 0);
  exec("DELETE FROM mana_sync_migrations WHERE version = 99");
  process.wait_ready();
}

TEST_F(MigrationsTest, FailedMigration_ChangesNothingAndIsTriedAgain) {
  exec("CREATE TABLE sync_changes (id UUID PRIMARY KEY)");
  StoreProcess process(url);
  process.run_until([&] { return process.has_logged("migration_failed"); });
  EXPECT_EQ(value("SELECT count(*) FROM pg_attribute WHERE attnum > 0 AND "
                  "attrelid = 'sync_changes'::regclass"),
            "1");
  exec("DROP TABLE sync_changes");
  process.wait_ready();
}

}  // namespace
}  // namespace mana_sync::store
