// Fills a user's stream: inserts before a cursor, and inserts after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "change_maker.h"
#include "http_connection.h"
#include "load_scenarios.h"
#include "scenario.h"

namespace mana_sync::loadgen {

class Filler final : private HttpEvents {
 public:
  static constexpr size_t kChangesOfAPush = 100;

  // `on_end` is told what went wrong; nothing if it is empty. `run` and `options` must outlive the
  // filler.
  using OnEnd = std::function<void(std::string_view wrong)>;
  Filler(RunContext& run, const PullOptions& options, size_t user, OnEnd on_end);

  void start() { push_next(); }

  // Once it has ended: where the older changes end, and the number of the first one behind it.
  [[nodiscard]] const std::string& cursor() const { return cursor_; }
  [[nodiscard]] uint64_t first_behind() const { return options_.older; }

 private:
  void push_next();
  void on_answer(int status, std::string_view body) override;

  RunContext& run_;
  const PullOptions& options_;
  const OnEnd on_end_;
  const std::string headers_;
  std::string cursor_;  // empty: the older ones are not all stored
  size_t pushed_ = 0;
  DeliveryLedger ledger_{1};
  SharedRecords shared_;
  ChangeMaker changes_;
  HttpConnection connection_;
};

}  // namespace mana_sync::loadgen
