// Every edit that a device ever made, in the order that it made them.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mana_sync/sync/store_port.h"

namespace mana_sync::sim {

// Streams are known by their number. A user has two apps.
[[nodiscard]] inline sync::StreamName stream_name(size_t stream) {
  return {fmt::format("user{}", stream / 2), fmt::format("app{}", stream % 2)};
}

// Where a cell stands in its stream.
struct CellId {
  std::string table;
  std::string record;
  std::string field;
  friend auto operator<=>(const CellId&, const CellId&) = default;
  [[nodiscard]] std::string text() const { return table + "/" + record + "." + field; }
};

struct MadeEdit {
  size_t stream = 0;
  std::string client_id;
  CellId cell;
  std::string value;               // canonical JSON; of a delete, its time if it has one
  std::optional<int64_t> time_ms;  // as claimed; nullopt: none
  bool is_delete = false;
  bool is_insert = false;
  bool was_sent = false;  // it may be stored
  // Answered 200. Then everything at or below this stamp was stored or not, once and for all.
  std::optional<int64_t> acknowledged_at_us;
  // The server's last stamp when it was sent for the first time.
  int64_t sent_after_us = 0;
  // Sent while it was too far in the future (PROTOCOL 5.7).
  bool out_of_bounds = false;
};

// What an insert that is taken at its time of receipt says of its time is the server's to say
// (PROTOCOL 2.7, 5.7).
inline bool is_replaced(const MadeEdit& edit) {
  const bool says_time = edit.cell.field == "updatedAt" || edit.cell.field == "createdAt";
  return edit.is_insert && says_time && (!edit.time_ms || edit.out_of_bounds);
}

// Edits are known by their index.
using EditLog = std::vector<MadeEdit>;

}  // namespace mana_sync::sim
