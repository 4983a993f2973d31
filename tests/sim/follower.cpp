#include "follower.h"

#include <algorithm>
#include <utility>

#include "edits.h"
#include "mana_sync/base/uuid.h"
#include "wire.h"

namespace mana_sync::sim {

Follower::Follower(const Knobs& knobs, const sync::Interest& interest, Dice& dice, Journal& journal)
    : knobs_(knobs), client_id_(interest.client_id), dice_(dice), journal_(journal) {
  for (int64_t i = 0; i < knobs.streams; ++i) {
    sync::StreamName stream = stream_name(static_cast<size_t>(i));
    if (stream.user_id != interest.user_id) continue;
    if (interest.app_id && stream.app_id != *interest.app_id) continue;
    streams_.push_back(std::make_shared<Followed>(std::move(stream)));
  }
}

void Follower::expect_news(const std::string& app_id) {
  for (const auto& followed : streams_) followed->wants |= followed->stream.app_id == app_id;
}

void Follower::expect_news() {
  for (const auto& followed : streams_) followed->wants = true;
}

void Follower::pull(sync::Engine& engine) {
  for (const auto& followed : streams_) {
    if (!followed->wants || followed->is_pulling) continue;
    followed->wants = false;
    followed->is_pulling = true;
    sync::PullRequest request{
        .stream = followed->stream,
        .tables = {},
        .since_us = followed->cursor_us,
        .exclude_client = std::nullopt,
        .changes_max = 1 + dice_.below(static_cast<size_t>(knobs_.page_changes))};
    if (!client_id_.empty()) request.exclude_client = client_id_;
    engine.pull(std::move(request), [followed, &journal = journal_](Result<GatheredText> result) {
      on_answer(*followed, std::move(result), journal);
    });
  }
}

void Follower::on_answer(Followed& followed, Result<GatheredText> result, Journal& journal) {
  followed.is_pulling = false;
  if (!result) {
    followed.wants = true;
    return;
  }
  std::string why;
  const auto answer = read_answer(result->str(), why);
  if (!answer) return journal.fail("a follower's pull: {}", why);
  for (const SentChange& change : answer->changes) followed.seen.push_back(change.event_id);
  followed.cursor_us = answer->synced_until_us;
  followed.wants |= answer->has_more;
}

void Follower::cut() {
  for (const auto& followed : streams_) {
    followed->wants |= std::exchange(followed->is_pulling, false);
  }
}

bool Follower::is_done() const {
  return std::ranges::none_of(
      streams_, [](const auto& followed) { return followed->wants || followed->is_pulling; });
}

void Follower::check(const std::string& who, SimStore& store) const {
  for (const auto& followed : streams_) check(who, *followed, store);
}

void Follower::check(const std::string& who, const Followed& followed, SimStore& store) const {
  const auto& rows = store.rows_of(followed.stream);
  size_t seen = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!client_id_.empty() && rows[i].client_id == client_id_) continue;
    std::string id;
    append_uuid(id, rows[i].event_id);
    if (seen < followed.seen.size() && followed.seen[seen] == id) {
      ++seen;
      continue;
    }
    return journal_.fail("6.2: no notice brought {} the change of {}/{} with stamp {} in {}", who,
                         rows[i].table, rows[i].record, rows[i].stamp_us, followed.stream.app_id);
  }
  if (seen < followed.seen.size()) journal_.fail("10.1: {} pulled what is not stored", who);
}

}  // namespace mana_sync::sim
