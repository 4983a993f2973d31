// A device that pushes small inserts, one after the other, and keeps its cursor.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "http_connection.h"
#include "scenario.h"

namespace mana_sync::loadgen {

class WriterEvents {
 public:
  virtual ~WriterEvents() = default;
  // `status` 0: no answer will come.
  virtual void on_push_answered(uint64_t ticket, int status) = 0;
};

class Writer final : private HttpEvents {
 public:
  // Pushes that wait for the one before them; beyond, push() refuses.
  static constexpr size_t kWaitingMax = 1'000;

  // `run` and `events` must outlive the writer.
  Writer(RunContext& run, size_t user, std::string client_id, WriterEvents& events);

  // Pushes an insert into `table`, when all before it are answered. `ticket` is for the events.
  // False: too many wait.
  [[nodiscard]] bool push(uint64_t ticket, std::string table);

 private:
  struct Waiting {
    uint64_t ticket;
    std::string table;
  };

  void send_next();
  void on_answer(int status, std::string_view body) override;

  RunContext& run_;
  WriterEvents& events_;
  const std::string client_id_;
  const std::string target_;
  const std::string headers_;
  std::string since_;
  std::deque<Waiting> waiting_;  // the first is under way, if is_under_way_
  bool is_under_way_ = false;
  HttpConnection connection_;
};

}  // namespace mana_sync::loadgen
