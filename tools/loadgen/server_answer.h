// What the server answers to a push or a pull, as far as it is looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mana_sync/base/result.h"

namespace simdjson::dom {
class parser;
}

namespace mana_sync::loadgen {

struct ReceivedChange {
  std::string_view id;
  std::string_view op;
  std::optional<uint64_t> number;  // ChangeMaker::kNumberField
  std::string_view shared_value;   // ChangeMaker::kSharedField, and its edit time
  std::string_view shared_time;
};

// Views are into the parser's memory: valid until its next use.
struct ServerAnswer {
  std::vector<ReceivedChange> changes;
  size_t conflicts = 0;
  std::string_view synced_until;
  bool has_more = false;

  // Fails (kInvalid) with what is wrong.
  [[nodiscard]] static Result<ServerAnswer> parse(simdjson::dom::parser& json,
                                                  std::string_view body);
  // The same for the data of an event (PROTOCOL 7.2).
  [[nodiscard]] static Result<ServerAnswer> parse_event(simdjson::dom::parser& json,
                                                        std::string_view data);
};

}  // namespace mana_sync::loadgen
