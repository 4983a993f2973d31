#include "delivery_ledger.h"

#include <gtest/gtest.h>

namespace mana_sync::loadgen {
namespace {

TEST(DeliveryLedger, AnAcknowledgedChangeIsLostUntilEveryOtherDeviceHasIt) {
  DeliveryLedger ledger(3);
  const uint64_t change = ledger.add(0);
  EXPECT_EQ(ledger.totals().lost, 0u);
  ledger.on_received(1, change);  // before its answer
  ledger.on_acknowledged(change, 5);
  EXPECT_EQ(ledger.totals().lost, 1u);
  ledger.on_received(2, change);
  EXPECT_EQ(ledger.totals().lost, 0u);
  EXPECT_EQ(ledger.totals().acknowledged, 1u);
  EXPECT_EQ(ledger.totals().delivered, 2u);
}

TEST(DeliveryLedger, WhatWasNotAcknowledgedNeedNotArrive) {
  DeliveryLedger ledger(2);
  ledger.on_received(1, ledger.add(0));
  const uint64_t never_arrives = ledger.add(0);
  EXPECT_EQ(never_arrives, 1u);
  EXPECT_EQ(ledger.totals().lost, 0u);
}

TEST(DeliveryLedger, TwiceIsRepeated_OneOwnIsStrange) {
  DeliveryLedger ledger(2);
  const uint64_t change = ledger.add(0);
  ledger.on_received(1, change);
  ledger.on_received(1, change);
  ledger.on_received(0, change);
  ledger.on_received(1, change + 1);
  EXPECT_EQ(ledger.totals().repeated, 1u);
  EXPECT_EQ(ledger.totals().strange, 2u);
}

TEST(DeliveryLedger, ADeleteIsKnownByItsRecord) {
  DeliveryLedger ledger(2);
  const uint64_t record = ledger.add(0);
  const uint64_t change = ledger.add_delete(0, record);
  ledger.on_acknowledged(change, 5);
  EXPECT_EQ(ledger.acknowledged_ns(change), 5);
  EXPECT_EQ(ledger.acknowledged_ns(record), std::nullopt);
  EXPECT_EQ(ledger.delete_of(record), change);
  EXPECT_EQ(ledger.delete_of(record + 7), std::nullopt);
}

}  // namespace
}  // namespace mana_sync::loadgen
