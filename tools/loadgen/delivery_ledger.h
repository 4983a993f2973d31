// Which of a user's changes reached which of their devices: each must reach every other one, once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace mana_sync::loadgen {

// Of one user. One thread.
class DeliveryLedger {
 public:
  explicit DeliveryLedger(size_t devices) : received_(devices) {}

  // A change that `device` is about to push; its number. Numbers ascend by one, from 0.
  uint64_t add(size_t device);
  // The same for the delete of a record, which can carry no number.
  uint64_t add_delete(size_t device, uint64_t record);
  // The push that holds the change was answered 200. Before that it may reach others or not.
  void on_acknowledged(uint64_t change) { is_acknowledged_[change] = true; }
  // `device` was sent a change, or the delete of a record.
  void on_received(size_t device, uint64_t change);
  void on_received_delete(size_t device, uint64_t record);
  // `device` was sent what nobody pushed.
  void on_received_strange() { ++strange_; }

  struct Totals {
    uint64_t acknowledged = 0;
    uint64_t delivered = 0;  // to each device
    uint64_t lost = 0;       // acknowledged, and not delivered, to each device
    uint64_t repeated = 0;   // delivered again
    uint64_t strange = 0;    // nobody's change, or the device's own
    Totals& operator+=(const Totals& other);
  };
  [[nodiscard]] Totals totals() const;

 private:
  std::vector<size_t> author_;  // by change
  std::vector<bool> is_acknowledged_;
  std::unordered_map<uint64_t, uint64_t> deletes_;  // record: change
  std::vector<std::vector<bool>> received_;         // by device, then change
  uint64_t delivered_ = 0;
  uint64_t repeated_ = 0;
  uint64_t strange_ = 0;
};

}  // namespace mana_sync::loadgen
