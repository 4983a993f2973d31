// One connection to PostgreSQL in pipeline mode, on the loop. With database_url.h, the only user
// of libpq.
//
// Connects in the background and again for ever, with growing delays; prepares its statements each
// time. Every submit() is a transaction of its own: what fails aborts nothing else.
// (libpq resolves host names while it connects, on the loop's thread: an address is better.)
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "binary_array.h"
#include "mana_sync/net/fd_watch.h"
#include "mana_sync/net/loop.h"
#include "statements.h"

// libpq's own names, so that its header stays inside pg_connection.cpp.
struct pg_conn;
struct pg_result;

namespace mana_sync::store {

// One statement with its parameters.
struct Call {
  const Statement* statement = nullptr;
  Params params;
};

// The rows of one call, in binary format; owned. Rows and columns count from 0.
class PgResult {
 public:
  explicit PgResult(pg_result* result) : result_(result) {}
  ~PgResult();
  PgResult(PgResult&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  PgResult& operator=(PgResult&&) = delete;

  [[nodiscard]] int rows() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  // Borrowed from the result; empty for null.
  [[nodiscard]] std::string_view text(int row, int column) const;
  // REQUIRES: the column has this type and is not null.
  [[nodiscard]] bool boolean(int row, int column) const;
  [[nodiscard]] int32_t int4(int row, int column) const;
  [[nodiscard]] int64_t int8(int row, int column) const;
  [[nodiscard]] int64_t time_us(int row, int column) const;
  [[nodiscard]] Uuid uuid(int row, int column) const;

 private:
  pg_result* result_;
};

// What became of one submit().
struct Answer {
  enum class Kind {
    kDone,    // committed; `results` has one entry for each call
    kFailed,  // rolled back because of `sqlstate`
    kLost,    // the connection went before the answer came: done or not, whole or not at all
  };
  Kind kind;
  std::span<const PgResult> results;
  std::string_view sqlstate;
  // PostgreSQL's words. May quote data: fit for a log only where a statement has none.
  std::string_view message;
};

// Whether the same transaction may succeed a little later: what failed was not its own doing.
[[nodiscard]] bool is_transient(std::string_view sqlstate);
// Whether PostgreSQL refused the data itself (class 22 or 23).
[[nodiscard]] bool names_data(std::string_view sqlstate);

class PgConnection {
 public:
  struct Options {
    std::string label;  // for the log
    std::string url;
    std::vector<const Statement*> prepare;
    int64_t answer_timeout_ms = 0;  // as set_answer_timeout()
    // PostgreSQL itself ends a statement after this (SQLSTATE 57014); 0: never.
    int64_t statement_timeout_ms = 0;
    std::function<void()> on_up;    // ready for submit()
    std::function<void()> on_down;  // was up, is not any more; after all its answers
  };
  using Done = std::function<void(const Answer&)>;

  // `loop` must outlive the connection.
  PgConnection(net::Loop& loop, Options options);
  // As close(). REQUIRES: not called from within its own callbacks.
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Starts connecting. Once.
  void open();
  // Ends it for good; no callback comes any more, open answers included.
  void close();
  // Gives this connection up as if it had been lost, and connects anew.
  void reset(std::string_view reason);

  // An answer to what is sent from now on that takes longer counts as a lost connection; 0: never.
  void set_answer_timeout(int64_t ms) { answer_timeout_ms_ = ms; }

  [[nodiscard]] bool is_up() const { return state_ == State::kUp; }
  [[nodiscard]] size_t in_flight() const { return in_flight_.size(); }

  // Sends the calls as one transaction; `done` comes once, later. REQUIRES: is_up().
  void submit(std::span<const Call> calls, Done done);

 private:
  // kClosed -> kConnecting -> kPreparing -> kUp -> (lost) kWaiting -> kConnecting …
  enum class State { kClosed, kWaiting, kConnecting, kPreparing, kUp };

  struct InFlight {
    std::vector<PgResult> results;
    std::string sqlstate;
    std::string message;
    int64_t sent_ns = 0;
    Done done;
  };

  void connect();
  void on_ready();
  void continue_connect();
  void prepare();
  void on_prepared(const Answer& answer);
  [[nodiscard]] bool send_call(const Call& call);
  [[nodiscard]] bool finish_submit(Done done);
  void receive();
  void take_result(pg_result* result);
  void finish_front();
  void arm();
  void lose(std::string reason);
  void lose_soon();
  void watch_answers();
  void disconnect();
  [[nodiscard]] std::string last_error() const;

  net::Loop& loop_;
  const Options options_;
  net::FdWatch watch_;
  State state_ = State::kClosed;
  pg_conn* conn_ = nullptr;
  std::deque<InFlight> in_flight_;
  int64_t answer_timeout_ms_;
  int64_t delay_ms_;
  bool outage_logged_ = false;
  size_t first_host_ = 0;  // of those that the URL names: where the next try begins
  uint64_t connects_ = 0;  // tells whether a callback replaced the connection
  net::TimerId connect_timer_;
  net::TimerId answer_timer_;
  net::TimerId lose_timer_;
};

}  // namespace mana_sync::store
