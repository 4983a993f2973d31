#include "store_fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace mana_sync::store {
namespace {

constexpr int64_t kPatienceNs = 60'000'000'000;

Uuid next_id(int64_t stamp_us) {
  static UuidGenerator generator(7);
  return generator.next(stamp_us);
}

}  // namespace

sync::ChangeRow& TestUnit::add(int64_t stamp_us, std::string_view record) {
  sync::ChangeRow& row = unit_.rows.emplace_back();
  row.event_id = next_id(stamp_us);
  row.stamp_us = stamp_us;
  row.table = "todos";
  row.record = record;
  row.client_id = "client-1";
  row.data = R"({"title": "x"})";
  row.field_timestamps = R"({"title": "2024-01-01T10:05:00.000Z"})";
  return row;
}

std::string_view TestUnit::keep(std::string text) {
  return *texts_.emplace_back(std::make_unique<std::string>(std::move(text)));
}

StoreProcess::StoreProcess(const std::string& url, int64_t wall_offset_us) {
  clock.wall_offset_us = wall_offset_us;
  auto created = net::Loop::create(clock, log, metrics);
  if (!created) ADD_FAILURE() << created.error().message;
  loop = std::move(*created);
  auto opened = Store::open(*loop, *this, {url, 1, 1});
  if (!opened) ADD_FAILURE() << opened.error().message;
  store = std::move(*opened);
}

StoreProcess::~StoreProcess() = default;

void StoreProcess::on_lease(int64_t floor, int64_t high_water) {
  floor_us = floor;
  high_water_us = high_water;
  ++grants;
}

void StoreProcess::run_until(const std::function<bool()>& done) {
  const SystemClock real;
  const int64_t end_ns = real.steady_ns() + kPatienceNs;
  bool is_late = false;
  loop->run_until([&] {
    is_late = real.steady_ns() > end_ns;
    return is_late || done();
  });
  if (is_late) FAIL() << "waited too long; the log:\n" << log_text;
}

void StoreProcess::wait_ready() {
  run_until([this] { return store->state() == StoreState::kReady; });
}

void StoreProcess::in_no_time(const std::function<void()>& slow) {
  const int64_t start_ns = clock.steady_ns();
  slow();
  clock.steady_offset_ns -= clock.steady_ns() - start_ns;
}

void StoreProcess::close(int64_t last_us) {
  bool is_closed = false;
  store->close(last_us, [&is_closed] { is_closed = true; });
  run_until([&is_closed] { return is_closed; });
}

sync::CommitOutcome StoreProcess::commit(TestUnit& unit) {
  std::optional<sync::CommitOutcome> outcome;
  store->commit(unit.unit(),
                [&outcome](sync::CommitOutcome result, std::string_view) { outcome = result; });
  EXPECT_FALSE(outcome.has_value()) << "a callback never comes from within the call";
  run_until([&outcome] { return outcome.has_value(); });
  return outcome.value_or(sync::CommitOutcome::kUnknown);
}

Result<StoreProcess::OwnedPage> StoreProcess::read_page(const sync::PageQuery& query) {
  std::optional<Result<OwnedPage>> answer;
  store->read_page(query, [&answer](Result<sync::Page> page) {
    if (!page) {
      answer = std::unexpected(page.error());
      return;
    }
    OwnedPage owned;
    owned.has_more = page->has_more;
    owned.scanned_up_to_us = page->scanned_up_to_us;
    for (const sync::ChangeRow& row : page->rows) {
      owned.records.emplace_back(row.record);
      owned.stamps.push_back(row.stamp_us);
      owned.bytes += row.data.size() + row.field_timestamps.size();
    }
    answer = std::move(owned);
  });
  run_until([&answer] { return answer.has_value(); });
  if (!answer) return fail(ErrorCode::kInternal, "no answer");
  return *answer;
}

std::vector<StoreProcess::OwnedPage> StoreProcess::read_pages(sync::PageQuery query) {
  std::vector<OwnedPage> pages;
  for (;;) {
    const auto page = read_page(query);
    if (!page) {
      ADD_FAILURE() << page.error().message;
      return pages;
    }
    pages.push_back(*page);
    EXPECT_GE(page->scanned_up_to_us, page->stamps.empty() ? 0 : page->stamps.back());
    if (!page->has_more) {
      EXPECT_EQ(page->scanned_up_to_us, query.up_to_us);
      return pages;
    }
    if (page->scanned_up_to_us <= query.after_us) {
      ADD_FAILURE() << "a page with has_more moves the cursor (PROTOCOL 3.2)";
      return pages;
    }
    query.after_us = page->scanned_up_to_us;
  }
}

Result<std::vector<std::optional<sync::StoredCell>>> StoreProcess::lookup(
    std::vector<sync::CellName> cells) {
  std::optional<Result<std::vector<std::optional<sync::StoredCell>>>> answer;
  store->lookup({kStream, std::move(cells), "", {}}, [&answer](Result<sync::Lookup> found) {
    if (found) {
      answer = std::move(found->cells);
    } else {
      answer = std::unexpected(std::move(found.error()));
    }
  });
  run_until([&answer] { return answer.has_value(); });
  if (!answer) return fail(ErrorCode::kInternal, "no answer");
  return std::move(*answer);
}

bool StoreProcess::has_logged(std::string_view event) const {
  return log_text.find(fmt::format("\"event\":\"{}\"", event)) != std::string::npos;
}

int64_t StoreProcess::metric(const std::string& name) const {
  const std::string text = metrics.render();
  const size_t at = text.find("\n" + name + " ");
  if (at == std::string::npos) return -1;
  return std::stoll(text.substr(at + name.size() + 2));
}

test::PrivatePostgres& StoreTest::postgres() {
  // Destroyed, and with it stopped, when the program ends.
  static test::PrivatePostgres cluster;
  return cluster;
}

ReadCost read_cost(const std::string& url, const std::function<void(StoreProcess&)>& use) {
  const auto count = [&url] {
    // A session tells what it read when it ends, at the latest.
    test::exec(url,
               "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
               "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    const auto row =
        test::exec(url,
                   "SELECT seq_tup_read + idx_tup_fetch, heap_blks_read + heap_blks_hit + "
                   "idx_blks_read + idx_blks_hit FROM pg_stat_user_tables JOIN "
                   "pg_statio_user_tables USING (relid) WHERE pg_stat_user_tables.relname = "
                   "'sync_changes'")
            .at(0);
    return ReadCost{std::stoll(row.at(0)), std::stoll(row.at(1))};
  };
  const ReadCost before = count();
  {
    StoreProcess process(url);
    process.wait_ready();
    use(process);
  }
  const ReadCost after = count();
  return {after.rows - before.rows, after.pages - before.pages};
}

// Not a database for each test: PostgreSQL's recovery would sync the files of all of them.
StoreTest::StoreTest() : url(postgres().url()) {
  exec(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
      "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  exec("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

sync::PageQuery page_query() {
  sync::PageQuery query;
  query.stream = kStream;
  query.up_to_us = 4'000'000'000'000'000;
  query.changes_max = 1000;
  query.bytes_max = 1 << 22;
  return query;
}

}  // namespace mana_sync::store
