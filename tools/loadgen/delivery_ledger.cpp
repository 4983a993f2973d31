#include "delivery_ledger.h"

namespace mana_sync::loadgen {

uint64_t DeliveryLedger::add(size_t device) {
  author_.push_back(device);
  acknowledged_ns_.push_back(kNever);
  return author_.size() - 1;
}

uint64_t DeliveryLedger::add_delete(size_t device, uint64_t record) {
  return deletes_[record] = add(device);
}

void DeliveryLedger::on_received(size_t device, uint64_t change) {
  if (change >= author_.size() || author_[change] == device) return on_received_strange();
  std::vector<bool>& received = received_[device];
  if (received.size() <= change) received.resize(author_.size());
  if (received[change]) {
    ++repeated_;
  } else {
    received[change] = true;
    ++delivered_;
  }
}

std::optional<uint64_t> DeliveryLedger::delete_of(uint64_t record) const {
  const auto found = deletes_.find(record);
  if (found == deletes_.end()) return std::nullopt;
  return found->second;
}

std::optional<int64_t> DeliveryLedger::acknowledged_ns(uint64_t change) const {
  if (change >= acknowledged_ns_.size() || acknowledged_ns_[change] == kNever) return std::nullopt;
  return acknowledged_ns_[change];
}

DeliveryLedger::Totals DeliveryLedger::totals() const {
  Totals totals{.delivered = delivered_, .repeated = repeated_, .strange = strange_};
  for (size_t change = 0; change < author_.size(); ++change) {
    if (acknowledged_ns_[change] == kNever) continue;
    ++totals.acknowledged;
    for (size_t device = 0; device < received_.size(); ++device) {
      const std::vector<bool>& received = received_[device];
      const bool has_it = change < received.size() && received[change];
      if (device != author_[change] && !has_it) ++totals.lost;
    }
  }
  return totals;
}

DeliveryLedger::Totals& DeliveryLedger::Totals::operator+=(const Totals& other) {
  acknowledged += other.acknowledged;
  delivered += other.delivered;
  lost += other.lost;
  repeated += other.repeated;
  strange += other.strange;
  return *this;
}

}  // namespace mana_sync::loadgen
