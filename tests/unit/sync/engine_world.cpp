#include "engine_world.h"

#include <fmt/format.h>

#include <charconv>

#include "json_tree.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync::testing {
namespace {

void read_body(Answer& answer) {
  JsonTree tree;
  std::string body = answer.text;
  const auto json = tree.parse(body);
  ASSERT_TRUE(json) << answer.text;
  const auto changes = json->member("serverChanges");
  ASSERT_TRUE(changes && changes->type() == JsonTree::Type::kArray) << answer.text;
  for (auto change = changes->first(); change; change = change->next()) {
    answer.records.emplace_back(change->member("id")->string());
    answer.changes.emplace_back(change->text());
  }
  const auto conflicts = json->member("conflicts");
  ASSERT_TRUE(conflicts && conflicts->type() == JsonTree::Type::kArray) << answer.text;
  for (auto conflict = conflicts->first(); conflict; conflict = conflict->next()) {
    answer.conflicts.emplace_back(conflict->text());
  }
  const std::string_view cursor = json->member("syncedUntil")->string();
  EXPECT_EQ(cursor.size(), std::string_view("2024-01-01T10:06:15.123456Z").size());  // 10.2
  answer.synced_until_us = *parse_rfc3339_us(cursor);
  const auto has_more = json->member("hasMore");
  answer.has_more = has_more.has_value();
  EXPECT_TRUE(!has_more || has_more->text() == "true");  // 2.4
}

}  // namespace

EngineWorld::EngineWorld(size_t cache_bytes_max)
    : engine({.cache_bytes_max = cache_bytes_max, .merge = {.clock_skew_ms_max = 300'000}}, clock,
             store, metrics) {
  engine.grant(kBeginMs * 1'000 - 1, kBeginMs * 2'000);
}

AnswerCallback EngineWorld::into(std::shared_ptr<Answer> answer) {
  return [answer = std::move(answer)](Result<GatheredText> result) {
    EXPECT_FALSE(answer->came);
    answer->came = true;
    if (result) {
      answer->text = result->str();
      read_body(*answer);
    } else {
      answer->error = result.error().code;
      answer->text = result.error().message;
    }
  };
}

std::shared_ptr<Answer> EngineWorld::push(std::string_view client,
                                          const std::vector<std::string>& changes,
                                          int64_t since_us) {
  std::string body = fmt::format(R"({{"clientId":"{}","since":"{}","changes":[)", client,
                                 format_cursor_us(since_us));
  for (const std::string& change : changes) {
    if (&change != &changes.front()) body += ',';
    body += change;
  }
  body += "]}";
  auto answer = std::make_shared<Answer>();
  engine.push({.stream = stream, .client_id = std::nullopt, .body = std::move(body)}, into(answer));
  return answer;
}

std::shared_ptr<Answer> EngineWorld::pull(int64_t since_us, std::optional<std::string> client,
                                          size_t changes_max, std::vector<std::string> tables) {
  auto answer = std::make_shared<Answer>();
  engine.pull({.stream = stream,
               .tables = std::move(tables),
               .since_us = since_us,
               .exclude_client = std::move(client),
               .changes_max = changes_max},
              into(answer));
  return answer;
}

PullRequest EngineWorld::following(int64_t since_us) const {
  return {.stream = stream,
          .tables = {},
          .since_us = since_us,
          .exclude_client = {},
          .changes_max = limits::kPullPageChangesMax,
          .bytes_max = limits::kFollowerPageBytesMax};
}

void EngineWorld::settle() {
  do {
    engine.run();
  } while (store.answer_any() || engine.is_due());
}

Answer EngineWorld::push_and_settle(std::string_view client,
                                    const std::vector<std::string>& changes, int64_t since_us) {
  const auto answer = push(client, changes, since_us);
  settle();
  EXPECT_TRUE(answer->came);
  return *answer;
}

Answer EngineWorld::pull_and_settle(int64_t since_us, std::optional<std::string> client,
                                    size_t changes_max, std::vector<std::string> tables) {
  const auto answer = pull(since_us, std::move(client), changes_max, std::move(tables));
  settle();
  EXPECT_TRUE(answer->came);
  return *answer;
}

void EngineWorld::warm_up() {
  push_and_settle("warm", {edit_of("warm", "0", -100'000)});
  ASSERT_EQ(rows().size(), 1u);
}

void EngineWorld::add_row(std::string record, int64_t stamp_us, std::string data) {
  rows().add({.stamp_us = stamp_us,
              .op = Op::kInsert,
              .table = "t",
              .record = std::move(record),
              .client_id = "other",
              .data = std::move(data),
              .field_timestamps = "{}"});
}

int64_t EngineWorld::metric(std::string_view name) const {
  const std::string text = metrics.render();
  const size_t at = text.find(fmt::format("\n{} ", name));
  if (at == std::string::npos) return -1;
  int64_t value = -1;
  std::from_chars(text.data() + at + name.size() + 2, text.data() + text.size(), value);
  return value;
}

std::string edit_of(std::string_view record, std::string_view value, int64_t time_ms) {
  return update_of(record, field_of("f", value, time_at(time_ms)));
}

}  // namespace mana_sync::sync::testing
