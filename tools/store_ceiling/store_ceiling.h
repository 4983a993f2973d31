// What PostgreSQL stores a second where nothing stands before it: the ceiling of pushes. Keeps a
// few connections busy with the rows that the server would send, in one plain INSERT a batch:
// without the server's lock and lease, so that what those cost is not hidden in the ceiling.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "histogram.h"
#include "mana_sync/net/loop.h"
#include "migrations.h"
#include "pg_connection.h"
#include "report.h"
#include "row_maker.h"

namespace mana_sync::ceiling {

struct CeilingOptions {
  std::string database_url = {};
  size_t connections = 2;
  size_t in_flight = 2;  // batches sent and not committed, of each connection
  size_t rows = 100;     // of a batch
  size_t users = 32;     // at least one a connection
  double seconds = 8;
  RowShape shape = {};
};

// One thread.
class StoreCeiling {
 public:
  // `loop` must outlive it.
  StoreCeiling(net::Loop& loop, CeilingOptions options);

  // Brings the database to the server's schema, then stores rows; stops the loop when the time is
  // over and all batches are committed, or when something failed.
  void start();
  void write_report(loadgen::Report& report) const;

 private:
  struct Lane {
    RowMaker rows;
    std::unique_ptr<store::PgConnection> connection = nullptr;
    size_t in_flight = 0;
  };

  void add_lane(size_t number);
  void migrate();
  void begin_if_up();
  void fill(Lane& lane);
  void on_answer(Lane& lane, int64_t sent_ns, const store::Answer& answer);
  void fail(std::string what);

  net::Loop& loop_;
  const CeilingOptions options_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  store::PgConnection schema_connection_;
  store::Migrations migrations_;
  bool has_begun_ = false;
  int64_t end_ns_ = 0;
  uint64_t rows_ = 0;          // committed
  uint64_t rows_in_time_ = 0;  // likewise, before the end
  loadgen::Histogram commits_;
  std::string failure_;
};

}  // namespace mana_sync::ceiling
