#include "store_ceiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace mana_sync::ceiling {
namespace {

using store::Answer;
using store::Call;
using store::PgConnection;
using store::Statement;

constexpr std::chrono::milliseconds kStartTimeout{30'000};
constexpr int64_t kAnswerTimeoutMs = 60'000;

// Takes what batch_params() makes, the epoch of which counts for nothing here.
const Statement& insert_rows() {
  static const Statement statement{"insert_rows", R"(
INSERT INTO sync_changes (id, user_id, app_id, table_name, record_id, op, data, field_timestamps,
                          client_id, created_at, schema_version, actor, origin, space_id)
SELECT incoming.* FROM
  unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
         $9::jsonb[], $10::text[], $11::timestamptz[], $12::int4[], $13::jsonb[], $14::text[],
         $15::text[]) AS incoming
WHERE $1::bigint IS NOT NULL)"};
  return statement;
}

}  // namespace

StoreCeiling::StoreCeiling(net::Loop& loop, CeilingOptions options)
    : loop_(loop),
      options_(std::move(options)),
      schema_connection_(loop, {.label = "schema",
                                .url = options_.database_url,
                                .prepare = {},
                                .on_up = [this] { migrate(); },
                                .on_down = [this] { fail("a connection was lost"); }}),
      migrations_(schema_connection_, loop.log()) {
  for (size_t i = 0; i < options_.connections; ++i) add_lane(i);
}

void StoreCeiling::add_lane(size_t number) {
  const size_t users = options_.users / options_.connections;
  auto& lane = lanes_.emplace_back(
      std::make_unique<Lane>(RowMaker(options_.shape, fmt::format("lane-{}", number), users)));
  lane->connection = std::make_unique<PgConnection>(
      loop_, PgConnection::Options{.label = fmt::format("lane-{}", number),
                                   .url = options_.database_url,
                                   .prepare = {&insert_rows()},
                                   .answer_timeout_ms = kAnswerTimeoutMs,
                                   .on_up = [this] { begin_if_up(); },
                                   .on_down = [this] { fail("a connection was lost"); }});
}

void StoreCeiling::start() {
  loop_.after(kStartTimeout, [this] {
    if (!has_begun_) fail("PostgreSQL could not be reached");
  });
  schema_connection_.open();
}

// The lanes prepare a statement on what this makes.
void StoreCeiling::migrate() {
  migrations_.run([this](const Result<void>& done) {
    if (!done) return fail(done.error().message);
    for (const auto& lane : lanes_) lane->connection->open();
  });
}

void StoreCeiling::begin_if_up() {
  if (!std::ranges::all_of(lanes_, [](const auto& lane) { return lane->connection->is_up(); })) {
    return;
  }
  has_begun_ = true;
  end_ns_ = loop_.clock().steady_ns() + static_cast<int64_t>(options_.seconds * 1e9);
  for (const auto& lane : lanes_) fill(*lane);
}

void StoreCeiling::fill(Lane& lane) {
  while (lane.in_flight < options_.in_flight && loop_.clock().steady_ns() < end_ns_) {
    const Call call{&insert_rows(), lane.rows.next(options_.rows, loop_.clock().wall_us())};
    const int64_t sent_ns = loop_.clock().steady_ns();
    ++lane.in_flight;
    lane.connection->submit({&call, 1}, [this, &lane, sent_ns](const Answer& answer) {
      on_answer(lane, sent_ns, answer);
    });
  }
}

void StoreCeiling::on_answer(Lane& lane, int64_t sent_ns, const Answer& answer) {
  if (answer.kind != Answer::Kind::kDone) return fail(std::string(answer.message));
  --lane.in_flight;
  const int64_t now_ns = loop_.clock().steady_ns();
  rows_ += options_.rows;
  if (now_ns <= end_ns_) {
    rows_in_time_ += options_.rows;
    commits_.record(now_ns - sent_ns);
  }
  fill(lane);
  if (std::ranges::all_of(lanes_, [](const auto& one) { return one->in_flight == 0; })) {
    loop_.stop();
  }
}

void StoreCeiling::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
  loop_.stop();
}

void StoreCeiling::write_report(loadgen::Report& report) const {
  if (!failure_.empty()) report.add_failure(failure_);
  report.add_figure("connections", static_cast<double>(options_.connections));
  report.add_figure("batches in flight", static_cast<double>(options_.in_flight));
  report.add_figure("rows of a batch", static_cast<double>(options_.rows));
  report.add_figure("rows stored", static_cast<double>(rows_));
  report.add_figure("rate", static_cast<double>(rows_in_time_) / options_.seconds, "rows/s");
  report.add_latency("commit", commits_);
}

}  // namespace mana_sync::ceiling
