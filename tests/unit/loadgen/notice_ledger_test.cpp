#include "notice_ledger.h"

#include <gtest/gtest.h>

namespace mana_sync::loadgen {
namespace {

TEST(NoticeLedger, SettlesWhenAnsweredAndAllAreTold) {
  NoticeLedger ledger(2);
  const uint64_t push = ledger.begin(0, 100);
  const std::string table = NoticeLedger::table_of(push);
  ledger.on_told(0, 0, table, 110);
  ledger.on_answered(push, 150);
  EXPECT_FALSE(ledger.is_settled());
  EXPECT_EQ(ledger.missed(), 1u);
  ledger.on_told(0, 1, table, 170);
  EXPECT_TRUE(ledger.is_settled());
  EXPECT_EQ(ledger.missed(), 0u);
  const auto& latencies = ledger.latencies();
  EXPECT_EQ(latencies.answer_to_first.max_ns(), 0);  // it came before
  EXPECT_EQ(latencies.answer_to_last.max_ns(), 20);
  EXPECT_EQ(latencies.request_to_first.max_ns(), 10);
  EXPECT_EQ(latencies.request_to_last.max_ns(), 70);
  EXPECT_EQ(latencies.request_to_answer.max_ns(), 50);
}

TEST(NoticeLedger, ToldTwice_CountsOnce) {
  NoticeLedger ledger(2);
  const uint64_t push = ledger.begin(0, 0);
  ledger.on_answered(push, 1);
  for (int i = 0; i < 2; ++i) ledger.on_told(0, 0, NoticeLedger::table_of(push), 2);
  EXPECT_EQ(ledger.missed(), 1u);
}

TEST(NoticeLedger, ARefusedPushIsNotMissed) {
  NoticeLedger ledger(1);
  ledger.on_refused(ledger.begin(0, 0));
  EXPECT_TRUE(ledger.is_settled());
  EXPECT_EQ(ledger.missed(), 0u);
}

TEST(NoticeLedger, ANoticeForAnotherUserIsAstray) {
  NoticeLedger ledger(1);
  const uint64_t push = ledger.begin(0, 0);
  ledger.on_told(1, 0, NoticeLedger::table_of(push), 1);
  ledger.on_told(0, 0, NoticeLedger::table_of(push + 1), 1);
  ledger.on_told(0, 0, "todos", 1);
  EXPECT_EQ(ledger.astray(), 3u);
  EXPECT_EQ(ledger.missed(), 1u);
}

TEST(NoticeLedger, WhenItsTableComesAgain_APushIsMissedForGood) {
  NoticeLedger ledger(1);
  const uint64_t first = ledger.begin(0, 0);
  ledger.on_answered(first, 1);
  for (size_t i = 1; i < NoticeLedger::kTablesMax; ++i) ledger.on_refused(ledger.begin(0, 1));
  EXPECT_FALSE(ledger.is_settled());
  const uint64_t again = ledger.begin(0, 2);
  EXPECT_EQ(NoticeLedger::table_of(again), NoticeLedger::table_of(first));
  ledger.on_answered(again, 3);
  ledger.on_told(0, 0, NoticeLedger::table_of(again), 4);
  EXPECT_TRUE(ledger.is_settled());
  EXPECT_EQ(ledger.missed(), 1u);
}

}  // namespace
}  // namespace mana_sync::loadgen
