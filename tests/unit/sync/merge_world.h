// One stream without its engine: pushes are read, judged and stored one after the other, with the
// questions to the store answered from the rows stored so far.
#pragma once

#include <map>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "json_tree.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/uuid.h"
#include "mana_sync/sync/merge.h"
#include "mana_sync/sync/stream_cache.h"
#include "stored_rows.h"

namespace mana_sync::sync::testing {

// 2024-01-01T12:00:00.000Z, when a world begins.
inline constexpr int64_t kBeginMs = 1'704'110'400'000;

// `"2024-01-01T…Z"`, quoted, `ms` after the beginning; below 0: before it.
std::string time_at(int64_t ms);

// The changes of a push, as JSON. All are of the table `t`.
std::string insert_of(std::string_view record, std::string_view data);
// `"fields":{<fields>}`, made of field_of().
std::string update_of(std::string_view record, std::string_view fields);
// `value` is JSON; `time` a quoted timestamp, or empty: none is given.
std::string field_of(std::string_view field, std::string_view value, std::string_view time = "");
std::string delete_of(std::string_view record, std::string_view time = "");

struct Winner {
  int64_t time_ms = 0;
  std::string client;
  std::string value;
  friend bool operator==(const Winner&, const Winner&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Winner& winner) {
    return out << winner.value << "@" << winner.time_ms - kBeginMs << " " << winner.client;
  }
};
// By record and field.
using Winners = std::map<std::pair<std::string, std::string>, Winner>;

class MergeWorld {
 public:
  MergeWorld();

  struct Outcome {
    std::vector<StoredRow> rows;
    std::vector<LostEdit> lost;
  };
  // Pushes `changes`, made by the functions above. Also checks that a fresh load of the rows gives
  // the cells that memory has.
  Outcome push(std::string_view client, const std::vector<std::string>& changes);

  // As after an eviction: the cells come from the rows.
  void reload();
  // Lets time pass; receipts are in `ms` from the beginning on, rounded up.
  void pass_ms(int64_t ms) { clock.advance_us(ms * 1000); }

  // Who holds each cell, and with what, by what the rows say.
  [[nodiscard]] Winners winners() const;
  // The value of a cell of `t`; empty: none.
  [[nodiscard]] std::string value(const std::string& record, const std::string& field) const;

  ManualClock clock{kBeginMs * 1000};
  Stamps stamps{clock};
  StoredRows rows;
  CellTable cells;
  Counter clamped;
  Counter sanitized;
  size_t lookups = 0;

 private:
  MergeFacts look_up(const Changeset& changeset, const Unknowns& unknowns);
  void expect_cells_as_loaded() const;

  UuidGenerator ids_{1};
  ChangesetReader reader_{sanitized};
  JsonTree scratch_;
};

}  // namespace mana_sync::sync::testing
