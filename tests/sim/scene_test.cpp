// What the simulator found, each as a scene of its own.
#include <gtest/gtest.h>

#include "stage.h"

namespace mana_sync::sim {
namespace {

class SceneTest : public ::testing::Test {
 protected:
  // Everybody pushes and pulls; then everybody sees the same.
  void expect_all_see(const std::string& value) {
    for (int round = 0; round < 2; ++round) {
      for (const char* client_id : {"a", "b", "c"}) stage_.syncs(client_id);
    }
    for (const char* client_id : {"a", "b", "c"}) {
      EXPECT_EQ(stage_.seen_by(client_id), '"' + value + '"') << client_id;
    }
  }

  // The time of the only cell that the push was answered with for its author, from the beginning.
  static int64_t sent_back_ms(const Stage::Sent& push) {
    for (const SentChange& change : push.answer->changes) {
      for (const SentField& field : change.fields) {
        if (field.value.starts_with("\"a")) return *field.time_ms - Stage::kBeginMs;
      }
    }
    ADD_FAILURE() << "nothing is sent back";
    return 0;
  }

  // `a` inserts, without a time, what `b` has written, and types before it has the answer.
  void types_after_a_contested_insert() {
    stage_.pass_ms(1'000);
    stage_.types("b", "b1", 10);
    stage_.syncs("b");
    stage_.creates_without_time("a", "a1", 0);
    const auto push = stage_.sends("a");
    stage_.types("a", "a2", 20);
    stage_.settle();
    stage_.gets_answer("a", push);
  }
  // `a` holds what `b` wrote, and the answer that says otherwise was lost.
  void loses_the_answer_to_a_contested_insert() {
    stage_.pass_ms(1'000);
    stage_.creates_without_time("a", "a1", 0);
    stage_.types("b", "b1", 10);
    stage_.syncs("b");
    const auto push = stage_.sends("a");
    stage_.settle();
    stage_.loses_answer("a", push);
  }
  // What `a` typed last was overwritten by its own edit, sent back; it won, and its answer was
  // lost.
  void types_in_the_millisecond_of_an_own_tie_and_loses_the_answer() {
    stage_.types("b", "b1", 10);
    stage_.syncs("b");
    stage_.types("a", "a1", 20);
    stage_.types("a", "a2", 20);
    auto push = stage_.sends("a");
    stage_.types("a", "a3", 20);
    stage_.settle();
    stage_.gets_answer("a", push);
    push = stage_.sends("a");
    stage_.settle();
    stage_.loses_answer("a", push);
  }
  // The same.
  void types_in_the_millisecond_of_a_contested_receipt_and_loses_the_answer() {
    stage_.pass_ms(1'000);
    stage_.types("b", "b1", 10);
    stage_.syncs("b");
    stage_.creates_without_time("a", "a1", 0);
    auto push = stage_.sends("a");
    stage_.settle();
    stage_.types("a", "a2", sent_back_ms(*push));
    stage_.gets_answer("a", push);
    stage_.pass_ms(10);
    push = stage_.sends("a");
    stage_.settle();
    stage_.loses_answer("a", push);
  }

  Stage stage_;
};

TEST_F(SceneTest, OwnLaterEditOfAPushIsNotSentBackOverWhatIsTypedInItsMillisecond) {  // 5.6
  stage_.types("b", "b1", 10);
  stage_.syncs("b");
  stage_.types("a", "a1", 5);  // loses
  stage_.types("a", "a2", 20);
  const auto push = stage_.sends("a");
  stage_.types("a", "a3", 20);
  stage_.settle();
  stage_.gets_answer("a", push);
  expect_all_see("a3");
}

// The second of two edits in one millisecond is sent back, and overwrites the third.
TEST_F(SceneTest, WhatIsTypedInTheMillisecondOfAnOwnTieIsKeptWhenItsAnswerWasLost) {  // 2.2, 5.2
  types_in_the_millisecond_of_an_own_tie_and_loses_the_answer();
  expect_all_see("a3");
}

TEST_F(SceneTest,
       WhatIsTypedInTheMillisecondOfAnOwnTieIsKeptWhenItsAnswerWasLost_OverARestart) {  // 2.2, 5.2
  types_in_the_millisecond_of_an_own_tie_and_loses_the_answer();
  stage_.restart_server();
  expect_all_see("a3");
}

// `a`'s clock steps back: a2 loses to a1, which is sent back, and overwrites a3.
TEST_F(SceneTest, WhatIsTypedInTheMillisecondOfAnOwnWinnerIsKeptWhenItsAnswerWasLost) {  // 2.2, 5.6
  stage_.types("b", "b1", 10);
  stage_.syncs("b");
  stage_.types("a", "a1", 20);
  stage_.syncs("a");
  stage_.types("a", "a2", 15);
  auto push = stage_.sends("a");
  stage_.types("a", "a3", 20);
  stage_.settle();
  stage_.gets_answer("a", push);
  push = stage_.sends("a");
  stage_.settle();
  stage_.loses_answer("a", push);
  expect_all_see("a3");
}

// The first correction (5.9) overwrites what was typed meanwhile.
TEST_F(SceneTest, WhatIsTypedAfterAContestedInsertIsKept) {  // 5.8, 5.9
  types_after_a_contested_insert();
  expect_all_see("a2");
}

TEST_F(SceneTest, WhatIsTypedAfterAContestedInsertIsKept_OverARestart) {  // 5.8, 5.9
  types_after_a_contested_insert();
  stage_.restart_server();
  expect_all_see("a2");
}

// The author holds the other's value, and the answer that says otherwise (5.9) was lost.
TEST_F(SceneTest, AContestedInsertIsSentBackAgainWhenItsAnswerWasLost) {  // 2.2, 5.9
  loses_the_answer_to_a_contested_insert();
  stage_.pass_ms(10);
  stage_.syncs("a");
  expect_all_see("a1");
}

TEST_F(SceneTest, AContestedInsertIsSentBackAgainWhenItsAnswerWasLost_OverARestart) {  // 2.2, 5.9
  loses_the_answer_to_a_contested_insert();
  stage_.restart_server();
  stage_.pass_ms(10);
  stage_.syncs("a");
  expect_all_see("a1");
}

// Each is sent back with the same time, and overwrites the next.
TEST_F(SceneTest, WhatIsTypedInTheMillisecondOfAContestedReceiptIsKept) {  // 5.2, 5.9
  stage_.pass_ms(1'000);
  stage_.types("b", "b1", 10);
  stage_.syncs("b");
  stage_.creates_without_time("a", "a1", 0);
  auto push = stage_.sends("a");
  stage_.settle();
  const int64_t receipt_ms = sent_back_ms(*push);
  for (const char* value : {"a2", "a3"}) {
    stage_.types("a", value, receipt_ms);
    stage_.gets_answer("a", push);
    stage_.pass_ms(10);
    push = stage_.sends("a");
    stage_.settle();
  }
  stage_.gets_answer("a", push);
  expect_all_see("a3");
}

TEST_F(SceneTest,
       WhatIsTypedInTheMillisecondOfAContestedReceiptIsKeptWhenItsAnswerWasLost) {  // 5.9
  types_in_the_millisecond_of_a_contested_receipt_and_loses_the_answer();
  expect_all_see("a2");
}

TEST_F(SceneTest,
       WhatIsTypedInTheMillisecondOfAContestedReceiptIsKeptWhenItsAnswerWasLost_OverARestart) {
  types_in_the_millisecond_of_a_contested_receipt_and_loses_the_answer();
  stage_.restart_server();
  expect_all_see("a2");
}

// The correction was looked up when there was only b1, and the delta has b2.
TEST_F(SceneTest, ACorrectionDoesNotUndoWhatItsOwnAnswerBrings) {  // 5.6
  stage_.types("b", "b1", 20);
  stage_.syncs("b");
  stage_.syncs("a");
  stage_.types("a", "a1", 10);  // loses
  const auto push = stage_.sends("a");
  stage_.settle_but_oldest_call();
  stage_.oldest_call_happens();
  stage_.types("b", "b2", 20);
  const auto other = stage_.sends("b");
  stage_.settle_but_oldest_call();
  stage_.settle();
  stage_.gets_answer("a", push);
  stage_.gets_answer("b", other);
  expect_all_see("b2");
}

}  // namespace
}  // namespace mana_sync::sim
