// The tool that measures PostgreSQL alone stores what the server would.
#include <fmt/format.h>

#include "store_ceiling.h"
#include "store_fixture.h"

namespace mana_sync::store {
namespace {

class StoreCeilingTest : public StoreTest {
 protected:
  std::string run(const ceiling::CeilingOptions& options) {
    const SystemClock clock;
    Metrics metrics;
    Logger log{LogLevel::kOff, clock};
    auto loop = net::Loop::create(clock, log, metrics);
    if (!loop) return loop.error().message;
    ceiling::StoreCeiling ceiling(**loop, options);
    ceiling.start();
    (*loop)->run();
    ceiling.write_report(report);
    return report.has_failed() ? report.table() : "";
  }
  double figure(std::string_view name) const {
    for (const auto& one : report.figures()) {
      if (one.name == name) return one.value;
    }
    return -1;
  }

  loadgen::Report report{"store ceiling"};
};

TEST_F(StoreCeilingTest, StoresTheRowsThatItReports) {
  ASSERT_EQ(run({.database_url = url,
                 .rows = 30,
                 .users = 4,
                 .seconds = 1,
                 .shape = {.changes = 10, .fields = 2, .field_bytes = 3}}),
            "");
  EXPECT_GT(figure("rate"), 0);
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes"),
            fmt::to_string(static_cast<int64_t>(figure("rows stored"))));
  EXPECT_EQ(value("SELECT count(DISTINCT user_id) FROM sync_changes"), "4");
  // Where the server could go on: one stamp for each row of a stream, its fields' times beside it.
  EXPECT_EQ(value("SELECT count(*) FROM sync_changes WHERE op = 'insert'"
                  " AND data - 'id' - 'n' - 'f0' - 'f1' - 'createdAt' - 'updatedAt' = '{}'"
                  " AND length(data ->> 'f1') = 3 AND data ->> 'id' = record_id"
                  " AND field_timestamps - 'n' - 'f0' - 'f1' - 'createdAt' - 'updatedAt' = '{}'"),
            value("SELECT count(DISTINCT (user_id, created_at)) FROM sync_changes"));
}

TEST_F(StoreCeilingTest, SaysWhatPostgresRefused) {
  exec(
      "CREATE TABLE mana_sync_migrations (version int primary key, applied_at timestamptz);"
      "INSERT INTO mana_sync_migrations VALUES (1000000)");
  EXPECT_NE(run({.database_url = url}).find("schema is version 1000000"), std::string::npos);
}

}  // namespace
}  // namespace mana_sync::store
