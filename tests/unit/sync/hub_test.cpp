#include "mana_sync/sync/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "mana_sync/base/limits.h"

namespace mana_sync::sync {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const StreamName kTodo{.user_id = "user", .app_id = "todo"};
const StreamName kChat{.user_id = "user", .app_id = "chat"};

class HubTest : public ::testing::Test {
 protected:
  struct Listener final : Subscriber {
    void on_notified() override {
      ++calls;
      if (then) then();
    }
    void on_gap() override {
      ++gaps;
      if (then) then();
    }
    int calls = 0;
    int gaps = 0;
    std::function<void()> then;
    SubscriptionId id;
  };

  void listen(Listener& listener, std::optional<std::string> app = "todo", std::string client = {},
              std::string user = "user") {
    listener.id = hub_.subscribe(
        {.user_id = std::move(user), .app_id = std::move(app), .client_id = std::move(client)},
        listener);
  }
  void publish(const StreamName& stream, std::string_view client,
               const std::vector<std::string>& tables) {
    std::vector<ChangeRow> rows;
    for (const std::string& table : tables) rows.push_back({.table = table, .client_id = client});
    hub_.publish(stream, rows);
  }
  std::vector<std::string> messages(const Listener& listener) {
    std::vector<std::string> texts;
    for (const auto& notice : hub_.take(listener.id)) texts.push_back(notice->message);
    return texts;
  }
  static std::string message(std::string_view app, std::string_view tables) {
    return "{\"type\":\"sync-available\",\"appId\":\"" + std::string(app) + "\",\"tables\":[" +
           std::string(tables) + "]}";
  }

  Metrics metrics_;
  Hub hub_{metrics_};
};

TEST_F(HubTest, ACommitIsToldAtTheDrainWithItsTablesSortedAndUnique) {  // PROTOCOL 6.1
  Listener listener;
  listen(listener);
  publish(kTodo, "a", {"z", "b", "z", "b"});
  EXPECT_EQ(listener.calls, 0);
  hub_.drain();
  EXPECT_EQ(listener.calls, 1);
  EXPECT_THAT(messages(listener), ElementsAre(message("todo", R"("b","z")")));
  hub_.drain();
  EXPECT_EQ(listener.calls, 1);
}

TEST_F(HubTest, AllOfATickComesInOneCall) {
  Listener listener;
  listen(listener, std::nullopt);
  publish(kTodo, "a", {"x"});
  publish(kTodo, "b", {"y", "x"});
  publish(kChat, "a", {"m"});
  hub_.drain();
  EXPECT_EQ(listener.calls, 1);
  EXPECT_THAT(messages(listener),
              UnorderedElementsAre(message("todo", R"("x","y")"), message("chat", R"("m")")));
}

TEST_F(HubTest, WhatOneWaitsForIsBounded_AndPastTheBoundItIsToldToPullAll) {  // 6.2
  Listener slow;
  Listener prompt;
  listen(slow, std::nullopt);
  listen(prompt);
  prompt.then = [&] { messages(prompt); };
  size_t bytes = 0;
  for (int i = 0; slow.gaps == 0; ++i) {
    const std::string table = std::to_string(i) + std::string(900, 't');
    publish(kTodo, "a", {table});
    hub_.drain();
    bytes += table.size();
    ASSERT_LT(bytes, 2 * limits::kNoticeBytesMax);
  }
  EXPECT_EQ(slow.calls, 1);
  EXPECT_TRUE(messages(slow).empty());
  EXPECT_EQ(prompt.gaps, 0);
  // So is one push that names too much, whoever reads how.
  publish(kTodo, "a",
          {std::string(limits::kNoticeBytesMax / 2, 'x'),
           std::string(limits::kNoticeBytesMax / 2, 'y')});
  hub_.drain();
  EXPECT_EQ(slow.gaps, 2);
  EXPECT_EQ(prompt.gaps, 1);
  // And many apps.
  for (int i = 0; slow.gaps == 2; ++i) {
    publish({.user_id = "user", .app_id = "app" + std::to_string(i)}, "a", {"t"});
    hub_.drain();
    ASSERT_LT(i, 1'000);
  }
  EXPECT_THAT(metrics_.render(),
              HasSubstr("\nmana_sync_notification_gaps_total{reason=\"tables\"} 4\n"));
  // It goes on from there.
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_THAT(messages(slow), ElementsAre(message("todo", R"("x")")));
}

TEST_F(HubTest, WhoWaitsForTheSameSharesOneNotice) {
  std::vector<Listener> listeners(3);
  for (Listener& listener : listeners) listen(listener);
  for (const char* table : {"x", "y", "z"}) {
    publish(kTodo, "a", {table});
    hub_.drain();
  }
  const auto first = hub_.take(listeners[0].id);
  EXPECT_EQ(first.at(0)->message, message("todo", R"("x","y","z")"));
  EXPECT_EQ(hub_.take(listeners[1].id).at(0), first.at(0));
  EXPECT_EQ(hub_.take(listeners[2].id).at(0), first.at(0));
}

TEST_F(HubTest, OnesOwnTablesAreLeftOutOnlyWhereNobodyElseWroteThem) {  // PROTOCOL 6.1
  Listener a;
  Listener b;
  Listener c;
  listen(a, "todo", "a");
  listen(b, "todo", "b");
  listen(c, "todo", "c");
  publish(kTodo, "a", {"x", "y"});
  publish(kTodo, "b", {"y"});
  publish(kTodo, "a", {"z"});
  hub_.drain();
  EXPECT_THAT(messages(a), ElementsAre(message("todo", R"("y")")));
  EXPECT_THAT(messages(b), ElementsAre(message("todo", R"("x","y","z")")));
  EXPECT_THAT(messages(c), ElementsAre(message("todo", R"("x","y","z")")));
}

// So that nobody's table names are sorted, or looked at for each who is told, beyond what can be
// told.
TEST_F(HubTest, WhoeverNamesMoreThanCanBeToldHearsOfOthersAllTheSame) {
  Listener loud;
  Listener quiet;
  Listener nameless;
  listen(loud, "todo", "loud");
  listen(quiet, "todo", "quiet");
  listen(nameless);
  std::vector<std::string> many;
  for (size_t i = 0; i < limits::kNoticeBytesMax; ++i) many.push_back(std::to_string(i));
  publish(kTodo, "loud", {"mine"});
  publish(kTodo, "loud", many);
  hub_.drain();
  EXPECT_EQ(loud.calls + loud.gaps, 0);
  EXPECT_EQ(quiet.gaps + nameless.gaps, 2);
  publish(kTodo, "loud", many);
  publish(kTodo, "loud", {"mine"});
  publish(kTodo, "quiet", {"theirs"});
  hub_.drain();
  EXPECT_THAT(messages(loud), ElementsAre(message("todo", R"("theirs")")));
  EXPECT_EQ(quiet.gaps + nameless.gaps, 4);
}

TEST_F(HubTest, TablesThatComeAgainAndAgainCountOnce) {
  Listener listener;
  listen(listener);
  std::vector<std::string> tables;
  for (size_t i = 0; i < limits::kNoticeBytesMax; ++i) tables.push_back(i % 2 == 0 ? "x" : "y");
  publish(kTodo, "a", tables);
  hub_.drain();
  EXPECT_THAT(messages(listener), ElementsAre(message("todo", R"("x","y")")));
}

TEST_F(HubTest, WhoeverLeavesTheOthersStay) {
  std::vector<Listener> listeners(4);
  for (Listener& listener : listeners) listen(listener);
  for (const size_t leaving : {1u, 3u}) hub_.unsubscribe(listeners[leaving].id);
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_EQ(listeners[0].calls + listeners[2].calls, 2);
  EXPECT_EQ(listeners[1].calls + listeners[3].calls, 0);
  for (const size_t leaving : {0u, 2u}) hub_.unsubscribe(listeners[leaving].id);
  EXPECT_EQ(hub_.user_count(), 0u);
}

TEST_F(HubTest, OnlyTheUserAndTheAppAreTold) {
  Listener other_app;
  Listener other_user;
  listen(other_app, "chat");
  listen(other_user, std::nullopt, "", "stranger");
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_EQ(other_app.calls, 0);
  EXPECT_EQ(other_user.calls, 0);
}

TEST_F(HubTest, AClientIsNotWokenByItsOwnPushes) {  // PROTOCOL 6.1
  Listener own;
  Listener nameless;
  listen(own, "todo", "a");
  listen(nameless, "todo");
  publish(kTodo, "a", {"mine"});
  hub_.drain();
  EXPECT_EQ(own.calls, 0);
  EXPECT_EQ(nameless.calls, 1);
  publish(kTodo, "a", {"mine"});
  publish(kTodo, "b", {"theirs"});
  hub_.drain();
  EXPECT_THAT(messages(own), ElementsAre(message("todo", R"("theirs")")));
  EXPECT_THAT(messages(nameless), ElementsAre(message("todo", R"("mine","theirs")")));
}

TEST_F(HubTest, WhatIsNotTakenMerges) {  // PROTOCOL 6.2
  Listener slow;
  listen(slow, std::nullopt);
  publish(kTodo, "a", {"x"});
  hub_.drain();
  for (int i = 0; i < 1'000; ++i) {
    publish(kTodo, "a", {i % 2 == 0 ? "x" : "y"});
    publish(kChat, "a", {"m"});
    hub_.drain();
  }
  EXPECT_EQ(slow.calls, 1);  // it knows that something waits
  EXPECT_THAT(messages(slow),
              ElementsAre(message("todo", R"("x","y")"), message("chat", R"("m")")));
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_EQ(slow.calls, 2);
}

TEST_F(HubTest, ManyListenersShareOneNotice) {
  std::vector<Listener> listeners(100);
  for (Listener& listener : listeners) listen(listener);
  publish(kTodo, "a", {"x"});
  hub_.drain();
  const auto first = hub_.take(listeners[0].id);
  for (size_t i = 1; i < listeners.size(); ++i) {
    EXPECT_EQ(hub_.take(listeners[i].id)[0], first[0]);
  }
}

TEST_F(HubTest, SubscribersMayComeAndGoFromWithinACall) {
  Listener first;
  Listener second;
  Listener third;
  listen(first);
  listen(second);
  first.then = [&] {
    hub_.unsubscribe(second.id);
    listen(third);
    publish(kTodo, "a", {"again"});
  };
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  EXPECT_EQ(third.calls, 0);
  hub_.drain();
  EXPECT_EQ(third.calls, 1);
  first.then = [&] { hub_.unsubscribe(first.id); };
  static_cast<void>(hub_.take(first.id));
  publish(kTodo, "a", {"x"});
  hub_.drain();
  EXPECT_EQ(hub_.user_count(), 1u);
  hub_.unsubscribe(third.id);
  EXPECT_EQ(hub_.user_count(), 0u);
}

TEST_F(HubTest, AGapIsToldToAll_OnceEach_WhoeverLeavesMeanwhile) {
  Listener first;
  Listener second;
  Listener third;
  listen(first);
  listen(second, "chat", {}, "somebody else");
  listen(third);
  first.then = [&] { hub_.unsubscribe(third.id); };
  hub_.note_gap();
  hub_.note_gap();
  EXPECT_EQ(first.gaps, 0);
  hub_.drain();
  hub_.drain();
  EXPECT_EQ(first.gaps, 1);
  EXPECT_EQ(second.gaps, 1);
  EXPECT_EQ(third.gaps, 0);
}

TEST_F(HubTest, WithoutListenersNothingIsGathered) {
  publish(kTodo, "a", {"x"});
  Listener late;
  listen(late);
  hub_.drain();
  EXPECT_EQ(late.calls, 0);
  EXPECT_THAT(messages(late), IsEmpty());
}

}  // namespace
}  // namespace mana_sync::sync
