// What a device was sent, however it came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "delivery_ledger.h"
#include "server_answer.h"
#include "shared_records.h"

namespace mana_sync::loadgen {

// One thread.
class Inbox {
 public:
  // `ledger` must outlive the inbox; `device` is its number there.
  Inbox(DeliveryLedger& ledger, size_t device) : ledger_(ledger), device_(device) {}

  // The number of the change, if it is one of the ledger's.
  std::optional<uint64_t> take(const ReceivedChange& change);

  [[nodiscard]] const SharedRecords& shared() const { return shared_; }
  [[nodiscard]] SharedRecords& shared() { return shared_; }

 private:
  DeliveryLedger& ledger_;
  const size_t device_;
  SharedRecords shared_;
};

}  // namespace mana_sync::loadgen
