// A client as those that are deployed: a local table, an outbox, cursors. It applies what the
// server sends where the server's time is not before its own, and reads neither `conflicts` nor a
// push's `hasMore` (PROTOCOL 5.6).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dice.h"
#include "edits.h"
#include "journal.h"
#include "knobs.h"
#include "wire.h"

namespace mana_sync::sim {

struct LocalCell {
  std::string value;  // canonical JSON
  int64_t time_ms = 0;
  // Edited here without telling the server when: the server takes it at its time of receipt.
  bool is_timeless = false;
};
// By table and record; by field.
using LocalRecord = std::map<std::string, LocalCell>;
using LocalTable = std::map<std::pair<std::string, std::string>, LocalRecord>;

// What a device asks of the server.
struct DeviceRequest {
  std::string channel;  // of the device: at most one request of each at a time
  bool is_push = false;
  int64_t since_us = 0;
  // A push.
  std::string body{};
  size_t outbox_changes = 0;    // it holds so many of the outbox's first
  std::vector<size_t> edits{};  // of the log
  // A pull.
  std::vector<std::string> tables{};
  std::optional<std::string> exclude_client{};
  size_t changes_max = 0;
};

class Device {
 public:
  struct Options {
    size_t stream = 0;
    std::string client_id;          // empty: it only pulls
    bool cursor_per_table = false;  // beside the one of pushes
    int64_t skew_ms = 0;            // how far its clock is ahead
  };
  // All references must outlive it.
  Device(Options options, const Knobs& knobs, Dice& dice, EditLog& log);

  [[nodiscard]] size_t stream() const { return options_.stream; }
  [[nodiscard]] const std::string& client_id() const { return options_.client_id; }
  [[nodiscard]] const LocalTable& table() const { return table_; }
  [[nodiscard]] size_t outbox_size() const { return outbox_.size(); }
  void set_skew_ms(int64_t skew_ms) { options_.skew_ms = skew_ms; }

  // Its user does something; `true_us` is the real time. The line says what, for the trace.
  std::string edit(int64_t true_us);

  // The same by hand: an update of one field at `time_ms`, or told without a time at `now_ms` of
  // its clock; and an insert without a time.
  void type(const CellId& cell, const std::string& value, std::optional<int64_t> time_ms,
            int64_t now_ms);
  void create(const CellId& cell, const std::string& value, int64_t now_ms);

  // The next request, if it has one to make: `eager`, whatever there is to push, else to pull what
  // is not known to be complete.
  [[nodiscard]] std::optional<DeviceRequest> next_request(bool eager);
  void on_answer(const DeviceRequest& request, const WireAnswer& answer);
  // No answer came, or an error: the same changes will be pushed again.
  void on_no_answer(const DeviceRequest& request);
  [[nodiscard]] bool is_waiting() const { return !waiting_.empty(); }

  // From now on pulls must run to their ends again.
  void expect_news() { complete_.clear(); }
  [[nodiscard]] bool is_complete() const;

  // All that is local is gone. With a new id it begins as another client.
  void lose_database(std::optional<std::string> new_client_id);
  // After that, what the server has is wanted first: nobody edits a database that is not there.
  [[nodiscard]] bool may_edit() const { return !options_.client_id.empty() && echoing_.empty(); }

 private:
  struct Pending {
    std::string json;
    std::vector<size_t> edits;
  };
  using Fields = std::vector<std::pair<std::string, std::string>>;

  [[nodiscard]] int64_t now_ms(int64_t true_us) const;
  [[nodiscard]] std::string any_value();
  [[nodiscard]] std::string any_field();
  [[nodiscard]] std::string any_table();
  [[nodiscard]] int64_t edit_time(const CellId& cell, int64_t now);
  std::string insert(const CellId& record, int64_t now);
  std::string update(const CellId& record, int64_t now);
  std::string erase(const CellId& record, int64_t now);
  std::string undelete(const CellId& record, int64_t now);
  // An edit made here: local at once, at `time_ms` or, told without a time, at `now`.
  size_t make_edit(const CellId& cell, const std::string& value, std::optional<int64_t> time_ms,
                   int64_t now);
  void enqueue(std::string json, std::vector<size_t> edits) {
    outbox_.push_back({std::move(json), std::move(edits)});
  }

  [[nodiscard]] std::vector<std::string> pull_channels() const;
  [[nodiscard]] DeviceRequest make_push(const std::string& channel);
  [[nodiscard]] DeviceRequest make_pull(const std::string& channel);
  void apply(const SentChange& change);

  Options options_;
  const Knobs& knobs_;
  Dice& dice_;
  EditLog& log_;
  LocalTable table_;
  std::deque<Pending> outbox_;
  std::map<std::string, int64_t> cursors_;  // by channel
  std::map<std::string, bool> waiting_;     // channels with a request under way
  std::map<std::string, bool> complete_;    // channels that had all there was
  std::map<std::string, bool> echoing_;     // channels that want their own changes too
  size_t repeat_at_least_ = 0;              // changes of a push whose answer never came
  int64_t local_now_ms_ = 0;
  size_t values_made_ = 0;
};

}  // namespace mana_sync::sim
