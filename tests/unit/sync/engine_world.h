// An engine over a scripted store, and what its clients got.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/sync/engine.h"
#include "merge_world.h"
#include "scripted_store.h"

namespace mana_sync::sync::testing {

// What a request was answered with.
struct Answer {
  bool came = false;
  std::optional<ErrorCode> error;
  std::string text;                    // the body, or the error's message
  std::vector<std::string> records;    // of serverChanges, in order
  std::vector<std::string> changes;    // serverChanges as JSON
  std::vector<std::string> conflicts;  // as JSON
  int64_t synced_until_us = 0;
  bool has_more = false;

  [[nodiscard]] bool ok() const { return came && !error; }
};

class EngineWorld {
 public:
  explicit EngineWorld(size_t cache_bytes_max = 1 << 20);

  // Requests; the answer is filled in when it comes. `since` in microseconds, 0: the beginning.
  std::shared_ptr<Answer> push(std::string_view client, const std::vector<std::string>& changes,
                               int64_t since_us = 0);
  std::shared_ptr<Answer> pull(int64_t since_us = 0, std::optional<std::string> client = {},
                               size_t changes_max = 1'000, std::vector<std::string> tables = {});
  // All that a follower asks for from there on.
  [[nodiscard]] PullRequest following(int64_t since_us) const;
  // What a request's callback does with its answer.
  [[nodiscard]] static AnswerCallback into(std::shared_ptr<Answer> answer);

  // Lets the engine and a healthy store work until nothing is left to do.
  void settle();
  // As above, for a push, or a pull.
  Answer push_and_settle(std::string_view client, const std::vector<std::string>& changes,
                         int64_t since_us = 0);
  Answer pull_and_settle(int64_t since_us = 0, std::optional<std::string> client = {},
                         size_t changes_max = 1'000, std::vector<std::string> tables = {});
  // Loads the stream, by a push of the record `warm`: the next push is merged at once.
  void warm_up();
  // A row that another program wrote: an insert.
  void add_row(std::string record, int64_t stamp_us, std::string data = "{}");
  [[nodiscard]] StoredRows& rows() { return store.rows_of(stream); }
  // The metric's value in the registry's text.
  [[nodiscard]] int64_t metric(std::string_view name) const;

  StreamName stream{.user_id = "user", .app_id = "app"};
  ManualClock clock{kBeginMs * 1000};
  ScriptedStore store;
  Metrics metrics;
  Engine engine;
};

// An update of field `f` of a record, with its edit time in ms from the beginning.
std::string edit_of(std::string_view record, std::string_view value, int64_t time_ms = -1);

}  // namespace mana_sync::sync::testing
