#include "pg_connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <utility>

#include "database_url.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::store {
namespace {

using std::chrono::milliseconds;

constexpr int kBinary = 1;

}  // namespace

PgResult::~PgResult() {
  PQclear(result_);
}
int PgResult::rows() const {
  return PQntuples(result_);
}
bool PgResult::is_null(int row, int column) const {
  return PQgetisnull(result_, row, column) != 0;
}
std::string_view PgResult::text(int row, int column) const {
  return {PQgetvalue(result_, row, column), static_cast<size_t>(PQgetlength(result_, row, column))};
}
bool PgResult::boolean(int row, int column) const {
  return text(row, column) == "\x01";
}
int32_t PgResult::int4(int row, int column) const {
  return read_int32(text(row, column));
}
int64_t PgResult::int8(int row, int column) const {
  return read_int64(text(row, column));
}
int64_t PgResult::time_us(int row, int column) const {
  return from_database_time(int8(row, column));
}
Uuid PgResult::uuid(int row, int column) const {
  const std::string_view bytes = text(row, column);
  Uuid id;
  MANA_CHECK(bytes.size() == id.size());
  std::ranges::transform(bytes, id.begin(), [](char byte) { return static_cast<uint8_t>(byte); });
  return id;
}

bool is_transient(std::string_view sqlstate) {
  // Connection, rollback for concurrency, resources, shutdown or cancel; also 25006: a standby took
  // the address of the primary.
  static constexpr std::array<std::string_view, 5> kClasses{"08", "40", "53", "55", "57"};
  return sqlstate == "25006" ||
         std::ranges::find(kClasses, sqlstate.substr(0, 2)) != kClasses.end();
}

bool names_data(std::string_view sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("23");
}

PgConnection::PgConnection(net::Loop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      watch_(loop, [this](short) { on_ready(); }),
      answer_timeout_ms_(options_.answer_timeout_ms),
      delay_ms_(limits::kReconnectDelayMinMs) {}

PgConnection::~PgConnection() {
  close();
}

void PgConnection::open() {
  MANA_CHECK(state_ == State::kClosed);
  connect();
}

void PgConnection::close() {
  state_ = State::kClosed;
  disconnect();
  in_flight_.clear();
}

void PgConnection::reset(std::string_view reason) {
  if (conn_ != nullptr) lose(std::string(reason));
}

// --- Connecting

void PgConnection::connect() {
  const std::string unacknowledged = std::to_string(limits::kDatabaseUnacknowledgedTimeoutMs);
  // Later entries override what the URL says, earlier ones do not.
  std::vector<const char*> keywords{
      "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
      "tcp_user_timeout",          "dbname",          "client_encoding"};
  std::vector<const char*> values{"mana-sync",          "10",  "5", "3", unacknowledged.c_str(),
                                  options_.url.c_str(), "UTF8"};
  const auto hosts = database_hosts_from(options_.url, first_host_);
  for (const auto& [keyword, list] : hosts) {
    keywords.push_back(keyword.c_str());
    values.push_back(list.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  ++connects_;
  conn_ = PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1);
  state_ = State::kConnecting;
  if (conn_ == nullptr || PQstatus(conn_) == CONNECTION_BAD) return lose(last_error());
  // Notices ("relation already exists, skipping") would go to stderr.
  PQsetNoticeReceiver(
      conn_, [](void*, const PGresult*) {}, nullptr);
  connect_timer_ = loop_.after(milliseconds(limits::kConnectTimeoutMs), [this] {
    // libpq goes on to the next host when one refuses, not when one is silent.
    ++first_host_;
    lose("no connection within the time limit");
  });
  watch_.arm(PQsocket(conn_), POLLOUT);
}

void PgConnection::on_ready() {
  if (state_ == State::kConnecting) return continue_connect();
  receive();
}

void PgConnection::continue_connect() {
  // libpq may go on to another address and then has another descriptor; the watch, being one-shot,
  // is not armed for the old one here.
  switch (PQconnectPoll(conn_)) {
    case PGRES_POLLING_READING:
      return watch_.arm(PQsocket(conn_), POLLIN);
    case PGRES_POLLING_WRITING:
      return watch_.arm(PQsocket(conn_), POLLOUT);
    case PGRES_POLLING_OK:
      return prepare();
    default:
      return lose(last_error());
  }
}

void PgConnection::prepare() {
  state_ = State::kPreparing;
  Params settings;
  settings.add_text(std::to_string(options_.statement_timeout_ms));
  bool sent = PQsetnonblocking(conn_, 1) == 0 && PQenterPipelineMode(conn_) == 1 &&
              send_call({&statements::session_setup(), std::move(settings)});
  for (const Statement* statement : options_.prepare) {
    sent = sent &&
           PQsendPrepare(conn_, statement->name.c_str(), statement->sql.c_str(), 0, nullptr) == 1;
  }
  sent = sent && finish_submit([this](const Answer& answer) { on_prepared(answer); });
  if (!sent) return lose(last_error());
  arm();
}

void PgConnection::on_prepared(const Answer& answer) {
  if (answer.kind == Answer::Kind::kLost) return;
  if (answer.kind == Answer::Kind::kFailed) {
    return lose(fmt::format("cannot prepare: {}", answer.message));
  }
  loop_.cancel(connect_timer_);
  state_ = State::kUp;
  delay_ms_ = limits::kReconnectDelayMinMs;
  outage_logged_ = false;
  loop_.log().info("database_connected", {{"connection", options_.label}});
  if (options_.on_up) options_.on_up();
}

// --- Sending

void PgConnection::submit(std::span<const Call> calls, Done done) {
  MANA_CHECK(is_up());
  const bool sent =
      std::ranges::all_of(calls, [this](const Call& call) { return send_call(call); });
  // Its answer comes either way; when nothing can be sent any more, as a lost connection's.
  if (!finish_submit(std::move(done)) || !sent) return lose_soon();
  watch_answers();
  arm();
}

bool PgConnection::send_call(const Call& call) {
  const auto& values = call.params.values();
  std::vector<const char*> data(values.size());
  std::vector<int> lengths(values.size());
  const std::vector<int> formats(values.size(), kBinary);
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].is_null) continue;
    data[i] = values[i].bytes.data();
    lengths[i] = static_cast<int>(values[i].bytes.size());
  }
  const int count = static_cast<int>(values.size());
  const Statement& statement = *call.statement;
  if (statement.name.empty()) {
    return PQsendQueryParams(conn_, statement.sql.c_str(), count, nullptr, data.data(),
                             lengths.data(), formats.data(), kBinary) == 1;
  }
  return PQsendQueryPrepared(conn_, statement.name.c_str(), count, data.data(), lengths.data(),
                             formats.data(), kBinary) == 1;
}

bool PgConnection::finish_submit(Done done) {
  in_flight_.push_back({{}, {}, {}, loop_.clock().steady_ns(), std::move(done)});
  return PQpipelineSync(conn_) == 1;
}

void PgConnection::arm() {
  const int unsent = PQflush(conn_);
  if (unsent < 0) return lose_soon();
  watch_.arm(PQsocket(conn_), unsent > 0 ? POLLIN | POLLOUT : POLLIN);
}

// --- Receiving

void PgConnection::receive() {
  const bool open = PQconsumeInput(conn_) == 1;
  const uint64_t connect = connects_;
  while (!in_flight_.empty() && PQisBusy(conn_) == 0) {
    PGresult* result = PQgetResult(conn_);
    if (PQstatus(conn_) == CONNECTION_BAD) {
      PQclear(result);
      break;
    }
    take_result(result);
    // Its callback may have closed or replaced the connection.
    if (conn_ == nullptr || connects_ != connect) return;
  }
  if (!open || PQstatus(conn_) == CONNECTION_BAD) return lose(last_error());
  arm();
}

void PgConnection::take_result(PGresult* result) {
  if (result == nullptr) return;  // between two calls
  switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
      PQclear(result);
      return finish_front();
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      in_flight_.front().results.emplace_back(result);
      return;
    case PGRES_FATAL_ERROR: {
      const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
      in_flight_.front().sqlstate = sqlstate != nullptr ? sqlstate : "08006";
      in_flight_.front().message = message != nullptr ? message : "";
      break;
    }
    default:
      break;  // null between two calls; "aborted" for the calls behind one that failed
  }
  PQclear(result);
}

void PgConnection::finish_front() {
  const InFlight front = std::move(in_flight_.front());
  in_flight_.pop_front();
  if (front.sqlstate.empty()) {
    front.done({Answer::Kind::kDone, front.results, {}, {}});
  } else {
    front.done({Answer::Kind::kFailed, {}, front.sqlstate, front.message});
  }
}

void PgConnection::watch_answers() {
  if (answer_timeout_ms_ == 0 || answer_timer_.valid() || in_flight_.empty()) return;
  const int64_t waited_ms = (loop_.clock().steady_ns() - in_flight_.front().sent_ns) / 1'000'000;
  const int64_t left_ms = std::max<int64_t>(answer_timeout_ms_ - waited_ms, 1);
  answer_timer_ = loop_.after(milliseconds(left_ms), [this] {
    answer_timer_ = {};
    if (in_flight_.empty() || answer_timeout_ms_ == 0) return;
    const int64_t age_ns = loop_.clock().steady_ns() - in_flight_.front().sent_ns;
    if (age_ns >= answer_timeout_ms_ * 1'000'000) {
      return lose("no answer within the time limit");
    }
    watch_answers();
  });
}

// --- Losing

void PgConnection::lose_soon() {
  if (lose_timer_.valid()) return;
  lose_timer_ = loop_.after(milliseconds(0), [this] {
    lose_timer_ = {};
    lose(last_error());
  });
}

void PgConnection::lose(std::string reason) {
  const bool was_up = is_up();
  disconnect();
  state_ = State::kWaiting;
  if (!std::exchange(outage_logged_, true)) {
    loop_.log().warn("database_connection_lost",
                     {{"connection", options_.label}, {"reason", reason}});
  }
  connect_timer_ = loop_.after(milliseconds(delay_ms_), [this] { connect(); });
  delay_ms_ = std::min(delay_ms_ * 2, limits::kReconnectDelayMaxMs);

  std::deque<InFlight> lost = std::exchange(in_flight_, {});
  for (InFlight& entry : lost) entry.done({Answer::Kind::kLost, {}, {}, {}});
  if (was_up && options_.on_down) options_.on_down();
}

void PgConnection::disconnect() {
  watch_.disarm();
  loop_.cancel(connect_timer_);
  loop_.cancel(std::exchange(answer_timer_, {}));
  loop_.cancel(std::exchange(lose_timer_, {}));
  PQfinish(std::exchange(conn_, nullptr));
}

std::string PgConnection::last_error() const {
  std::string text = conn_ != nullptr ? PQerrorMessage(conn_) : "out of memory";
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "closed by the server" : text;
}

}  // namespace mana_sync::store
