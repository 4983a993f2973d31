// Which of a user's changes reached which of their devices: each must reach every other one, once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
  void on_acknowledged(uint64_t change, int64_t now_ns) { acknowledged_ns_[change] = now_ns; }
  // The delete of a record; nullopt: nobody deleted it.
  [[nodiscard]] std::optional<uint64_t> delete_of(uint64_t record) const;
  // When it was; nullopt: it was not, or there is no such change.
  [[nodiscard]] std::optional<int64_t> acknowledged_ns(uint64_t change) const;
  // `device` was sent a change.
  void on_received(size_t device, uint64_t change);
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
  static constexpr int64_t kNever = INT64_MIN;

  std::vector<size_t> author_;                      // by change
  std::vector<int64_t> acknowledged_ns_;            // by change; kNever: not yet
  std::unordered_map<uint64_t, uint64_t> deletes_;  // record: change
  std::vector<std::vector<bool>> received_;         // by device, then change
  uint64_t delivered_ = 0;
  uint64_t repeated_ = 0;
  uint64_t strange_ = 0;
};

}  // namespace mana_sync::loadgen
