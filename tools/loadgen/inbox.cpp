#include "inbox.h"

#include <charconv>

#include "change_maker.h"

namespace mana_sync::loadgen {
namespace {

// The number of the insert that made a record.
uint64_t record_of(std::string_view id) {
  uint64_t record = UINT64_MAX;
  if (id.starts_with(ChangeMaker::kRecordPrefix)) {
    std::from_chars(id.data() + ChangeMaker::kRecordPrefix.size(), id.data() + id.size(), record);
  }
  return record;
}

}  // namespace

std::optional<uint64_t> Inbox::take(const ReceivedChange& change) {
  if (change.id.starts_with(ChangeMaker::kSharedPrefix)) {
    shared_.take(change.id, change.shared_value, change.shared_time);
    return std::nullopt;
  }
  const auto number =
      change.op == "delete" ? ledger_.delete_of(record_of(change.id)) : change.number;
  if (number) {
    ledger_.on_received(device_, *number);
  } else {
    ledger_.on_received_strange();
  }
  return number;
}

}  // namespace mana_sync::loadgen
