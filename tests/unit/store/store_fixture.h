// A store over a real PostgreSQL: one cluster for the test program, emptied for each test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/uuid.h"
#include "mana_sync/net/loop.h"
#include "mana_sync/store/store.h"
#include "support/private_postgres.h"

namespace mana_sync::store {

// The system's clock, moved.
class MovedClock final : public Clock {
 public:
  [[nodiscard]] int64_t wall_us() const override { return system_.wall_us() + wall_offset_us; }
  [[nodiscard]] int64_t steady_ns() const override {
    return system_.steady_ns() + steady_offset_ns;
  }
  int64_t wall_offset_us = 0;
  int64_t steady_offset_ns = 0;

 private:
  SystemClock system_;
};

// A unit that owns what its rows point to. Fields are set before add_to().
class TestUnit {
 public:
  explicit TestUnit(sync::StreamName stream) : stream_(std::move(stream)) {
    unit_.stream = &stream_;
  }
  TestUnit(const TestUnit&) = delete;

  // Adds a row; the texts it points to must outlive the unit (literals do) or go through keep().
  sync::ChangeRow& add(int64_t stamp_us, std::string_view record);
  std::string_view keep(std::string text);
  [[nodiscard]] sync::CommitUnit& unit() { return unit_; }

 private:
  const sync::StreamName stream_;
  sync::CommitUnit unit_;
  std::vector<std::unique_ptr<std::string>> texts_;
};

// One process: a loop, a store, and what the store told.
class StoreProcess final : public StoreEvents {
 public:
  // Opens at once; with one connection of each kind, so that units of one tick share a batch.
  explicit StoreProcess(const std::string& url, int64_t wall_offset_us = 0);
  ~StoreProcess() override;

  void on_store_state(StoreState state) override { states.push_back(state); }
  void on_lease(int64_t floor, int64_t high_water) override;

  // Runs the loop until `done`; fails the test after 60 s.
  void run_until(const std::function<bool()>& done);
  void wait_ready();
  // Lets `ms` pass on the steady clock at once.
  void pass_ms(int64_t ms) { clock.steady_offset_ns += ms * 1'000'000; }
  // Does something slow, as starting PostgreSQL is, in no time: no deadline passes meanwhile.
  void in_no_time(const std::function<void()>& slow);
  void close(int64_t last_us);

  // Hands the unit in and waits for its outcome.
  sync::CommitOutcome commit(TestUnit& unit);
  // Reads a page and waits; the rows are copied.
  struct OwnedPage {
    std::vector<std::string> records;
    std::vector<int64_t> stamps;
    bool has_more = false;
    int64_t scanned_up_to_us = 0;
    size_t bytes = 0;
  };
  Result<OwnedPage> read_page(const sync::PageQuery& query);
  // Follows the cursor to the end. Each page must move it (PROTOCOL 3.2).
  std::vector<OwnedPage> read_pages(sync::PageQuery query);
  // Looks cells of kStream up and waits.
  Result<std::vector<std::optional<sync::StoredCell>>> lookup(std::vector<sync::CellName> cells);

  // Whether a line with this event was logged.
  [[nodiscard]] bool has_logged(std::string_view event) const;
  [[nodiscard]] int64_t metric(const std::string& name) const;
  [[nodiscard]] sync::StorePort& port() { return *store; }

  MovedClock clock;
  Metrics metrics;
  std::string log_text;
  Logger log{LogLevel::kDebug, clock, [this](std::string_view line) { log_text += line; }};
  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<Store> store;
  std::vector<StoreState> states;
  int64_t floor_us = -1;
  int64_t high_water_us = -1;
  int grants = 0;
};

class StoreTest : public testing::Test {
 protected:
  StoreTest();

  // The cluster of the program. A test that stops it starts it again.
  static test::PrivatePostgres& postgres();

  // Of the database, which is empty when the test begins.
  const std::string url;
  // Rows as another program would write them.
  void exec(const std::string& sql) { test::exec(url, sql); }
  std::string value(const std::string& sql) { return test::exec_value(url, sql); }

  UuidGenerator ids{1};
};

// What PostgreSQL looks at of sync_changes for what `use` does, in a process that does nothing
// else. REQUIRES: no other process of the database runs.
struct ReadCost {
  int64_t rows = 0;
  int64_t pages = 0;  // of the table and its indexes
};
ReadCost read_cost(const std::string& url, const std::function<void(StoreProcess&)>& use);

inline const sync::StreamName kStream{"user-1", "todo"};

// All changes of kStream.
sync::PageQuery page_query();

}  // namespace mana_sync::store
