// An answer's body, read as a client reads it, and JSON as PostgreSQL writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/sync/store_port.h"

namespace mana_sync::sim {

struct SentField {
  std::string name;
  std::string value;               // canonical JSON
  std::optional<int64_t> time_ms;  // insert: data's `updatedAt`, else `createdAt`
};

// A change in `serverChanges`. A delete is its field `deletedAt`.
struct SentChange {
  std::string event_id;
  sync::Op op = sync::Op::kUpdate;
  std::string table;
  std::string record;
  std::vector<SentField> fields;  // insert: but for `id`
};

// An entry of `conflicts`.
struct SentConflict {
  std::string table;
  std::string record;
  std::string field;
  bool has_values = false;   // they are left out where they do not fit (PROTOCOL 5.6)
  std::string client_value;  // canonical JSON
  int64_t client_time_ms = 0;
  std::string server_value;  // canonical JSON
  int64_t server_time_ms = 0;
};

struct WireAnswer {
  std::vector<SentChange> changes;
  std::vector<SentConflict> conflicts;
  int64_t synced_until_us = 0;
  bool has_more = false;
};

// nullopt: it is not what PROTOCOL §2 and §4 say; `why` says what is wrong.
[[nodiscard]] std::optional<WireAnswer> read_answer(std::string_view body, std::string& why);

// JSON as JSONB prints it: members in its order, a space after each comma and colon.
[[nodiscard]] std::string jsonb_text(std::string_view json);
// The same text for values that JSONB holds equal.
[[nodiscard]] std::string canonical(std::string_view json);
// `"2024-01-01T12:00:00.000Z"`, quoted.
[[nodiscard]] std::string quoted_time(int64_t ms);

}  // namespace mana_sync::sim
