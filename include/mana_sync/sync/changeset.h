// A push as its client sent it, checked (PROTOCOL §2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/base/result.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// One field of one record. Views point into the changeset.
struct Edit {
  std::string_view field;
  std::string_view value;            // JSON without insignificant whitespace
  uint64_t value_hash = 0;           // equal for values that JSONB holds equal, never 0
  std::optional<int64_t> time_ms{};  // the edit time as claimed; nullopt: the time of receipt
};

// Where an insert's edit time stood in its data (PROTOCOL 2.7).
enum class InsertTime { kUpdatedAt, kCreatedAt, kNone };

// One insert, update or delete of one record. Views point into the changeset.
struct Change {
  size_t index = 0;  // in `changes` as sent
  Op op = Op::kUpdate;
  std::string_view table;
  std::string_view record;
  // Distinct fields. Insert: every key of `data` but `id`, all with one edit time. Delete: one,
  // `deletedAt`, whose value is made from the time it is taken at.
  std::span<const Edit> edits;
  InsertTime insert_time = InsertTime::kNone;
  std::string_view insert_id;  // insert: the JSON of `data.id`; empty if absent
  int schema_version = 1;
  std::string_view actor;  // JSON; empty if absent
  std::optional<std::string_view> origin;
  std::optional<std::string_view> space_id;
};

// Owns all that its changes point to. A delete that carries other fields is two changes: an update
// before it (PROTOCOL 2.8).
struct Changeset {
  Changeset() = default;
  Changeset(Changeset&&) = default;
  Changeset& operator=(Changeset&&) = default;

  std::string client_id;
  int64_t since_us = 0;  // 0: the beginning
  std::vector<Change> changes;
  std::vector<Edit> edits;  // of all changes, in order
  // Of the tables and records of all edits, each edit's own.
  size_t edit_names_bytes = 0;
  std::shared_ptr<void> arena;  // the text
};

// Reads changesets. Keeps its buffers: one reader per worker. One thread.
class ChangesetReader {
 public:
  // `sanitized` counts characters that became U+FFFD (PROTOCOL 2.11).
  explicit ChangesetReader(Counter& sanitized);
  ~ChangesetReader();
  ChangesetReader(const ChangesetReader&) = delete;
  ChangesetReader& operator=(const ChangesetReader&) = delete;

  // `body` is used as scratch space. kInvalid: PROTOCOL 2.10's refusals, the message names the
  // place.
  [[nodiscard]] Result<Changeset> read(std::string& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::sync
