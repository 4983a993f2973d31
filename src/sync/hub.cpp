#include "mana_sync/sync/hub.h"

#include <absl/container/node_hash_map.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "broken_rule.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/probes.h"
#include "mana_sync/base/sort_unique.h"

namespace mana_sync::sync {
namespace {

size_t bytes_of(const std::vector<std::string>& tables) {
  size_t bytes = 0;
  for (const std::string& table : tables) bytes += table.size();
  return bytes;
}

// nullopt: more than can be told. No more of them are held, and sorted, than that.
std::optional<std::vector<std::string>> tables_of(std::span<const ChangeRow> rows) {
  std::vector<std::string> tables;
  size_t unsorted_bytes = 0;
  for (const ChangeRow& row : rows) {
    // Most pushes are of one table.
    if (!tables.empty() && tables.back() == row.table) continue;
    tables.emplace_back(row.table);
    unsorted_bytes += row.table.size();
    if (unsorted_bytes <= limits::kNoticeBytesMax) continue;
    sort_unique(tables);
    if (bytes_of(tables) > limits::kNoticeBytesMax) return std::nullopt;
    unsorted_bytes = 0;
  }
  sort_unique(tables);
  return tables;
}

constexpr const char* kGapsHelp =
    "Times that a subscriber was told that it must pull everything: too many tables had changed, "
    "or another server may have written";

std::vector<std::string> united(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
  std::vector<std::string> all;
  std::ranges::set_union(a, b, std::back_inserter(all));
  return all;
}

}  // namespace

std::shared_ptr<const Notice> Notice::of(std::string app_id, std::vector<std::string> tables) {
  if (app_id.size() + bytes_of(tables) > limits::kNoticeBytesMax) return nullptr;
  auto notice = std::make_shared<Notice>();
  std::string& message = notice->message;
  message = "{\"type\":\"sync-available\",\"appId\":";
  append_json_string(message, app_id);
  message += ",\"tables\":[";
  for (const std::string& table : tables) {
    if (message.back() != '[') message += ',';
    append_json_string(message, table);
  }
  message += "]}";
  if (message.size() > limits::kNoticeBytesMax) return nullptr;
  notice->app_id = std::move(app_id);
  notice->tables = std::move(tables);
  return notice;
}

struct Hub::Subscription {
  Interest interest;
  Subscriber* subscriber;
  std::vector<std::shared_ptr<const Notice>> pending{};  // one for each app
  size_t pending_bytes = 0;                              // of their messages
  size_t position = 0;                                   // among its user's
};

// What was published of one app of a user since the last drain.
class Hub::News {
 public:
  explicit News(std::string app_id) : app_id_(std::move(app_id)) {}

  [[nodiscard]] const std::string& app_id() const { return app_id_; }
  // REQUIRES: no notice was asked for yet.
  void add(const Published& part) {
    Written& written = by_client_[part.client_id];
    if (part.tables) {
      written.tables.insert(written.tables.end(), part.tables->begin(), part.tables->end());
    } else if (!std::exchange(written.is_too_much, true)) {
      ++clients_of_too_much_;
    }
  }
  // Whether there is anything for one who does not hear of that client's (empty: hears of all).
  [[nodiscard]] bool concerns(const std::string& client_id) const {
    return by_client_.size() > (is_left_out(client_id) ? 1u : 0u);
  }
  // What it is told; nullptr: it is too long. The same for all who are told the same.
  [[nodiscard]] const std::shared_ptr<const Notice>& notice(const std::string& client_id) {
    const Written* const own = is_left_out(client_id) ? &by_client_.at(client_id) : nullptr;
    if (clients_of_too_much_ > (own != nullptr && own->is_too_much ? 1u : 0u)) return too_long_;
    if (writers_.empty()) count_writers();
    const bool misses_some = own != nullptr && own->has_a_table_alone;
    std::optional<std::shared_ptr<const Notice>>& made =
        notices_[misses_some ? client_id : std::string()];
    if (!made) made = make_notice(misses_some ? &own->tables : nullptr);
    return *made;
  }

 private:
  // By one client.
  struct Written {
    std::vector<std::string> tables;
    bool is_too_much = false;  // and more of them than can be told
    bool has_a_table_alone = false;
  };

  [[nodiscard]] bool is_left_out(const std::string& client_id) const {
    return !client_id.empty() && by_client_.contains(client_id);
  }
  void count_writers() {
    for (auto& [client_id, written] : by_client_) {
      sort_unique(written.tables);
      for (const std::string& table : written.tables) ++writers_[table];
    }
    for (auto& [client_id, written] : by_client_) {
      written.has_a_table_alone = std::ranges::any_of(
          written.tables, [this](const std::string& table) { return writers_.at(table) == 1; });
    }
  }
  // Of all tables but those that `alone` (sorted; nullptr: nobody) has and nobody else.
  [[nodiscard]] std::shared_ptr<const Notice> make_notice(
      const std::vector<std::string>* alone) const {
    std::vector<std::string> tables;
    size_t bytes = 0;
    for (const auto& [table, clients] : writers_) {
      const bool is_missed =
          alone != nullptr && clients == 1 && std::ranges::binary_search(*alone, table);
      if (is_missed) continue;
      // Each who is told something else asks for this: none of them looks at all there is.
      bytes += table.size();
      if (bytes > limits::kNoticeBytesMax) return nullptr;
      tables.push_back(table);
    }
    std::ranges::sort(tables);
    return Notice::of(app_id_, std::move(tables));
  }

  const std::string app_id_;
  absl::flat_hash_map<std::string, Written> by_client_;
  absl::flat_hash_map<std::string, size_t> writers_;  // of each table, how many clients
  size_t clients_of_too_much_ = 0;
  const std::shared_ptr<const Notice> too_long_;
  // By who is left out, where that makes a difference.
  absl::node_hash_map<std::string, std::optional<std::shared_ptr<const Notice>>> notices_;
};

// Merges notices, each pair once: subscribers who have been told alike go on sharing.
class Hub::Merger {
 public:
  // nullptr: it is too long.
  [[nodiscard]] std::shared_ptr<const Notice> merge(const std::shared_ptr<const Notice>& waiting,
                                                    const std::shared_ptr<const Notice>& notice) {
    if (waiting == notice || std::ranges::includes(waiting->tables, notice->tables)) return waiting;
    // The key keeps both alive, so that no other notice gets their addresses.
    auto& merged = merged_[{waiting, notice}];
    if (!merged) merged = Notice::of(notice->app_id, united(waiting->tables, notice->tables));
    return *merged;
  }

 private:
  using Pair = std::pair<std::shared_ptr<const Notice>, std::shared_ptr<const Notice>>;
  absl::flat_hash_map<Pair, std::optional<std::shared_ptr<const Notice>>> merged_;
};

Hub::Hub(Metrics& metrics)
    : notifications_(metrics.counter("mana_sync_notifications_total",
                                     "Times that a subscriber was told of changes")),
      gaps_(metrics.counter("mana_sync_notification_gaps_total", kGapsHelp, "reason=\"writer\"")),
      long_notices_(
          metrics.counter("mana_sync_notification_gaps_total", kGapsHelp, "reason=\"tables\"")) {}

Hub::~Hub() = default;

SubscriptionId Hub::subscribe(Interest interest, Subscriber& subscriber) {
  std::vector<SubscriptionId>& of_user = by_user_[interest.user_id];
  const SubscriptionId id =
      subscriptions_.insert(std::make_unique<Subscription>(std::move(interest), &subscriber));
  subscriptions_.find(id)->position = of_user.size();
  of_user.push_back(id);
  return id;
}

void Hub::unsubscribe(SubscriptionId id) {
  const std::unique_ptr<Subscription> subscription = subscriptions_.remove(id);
  const auto of_user = by_user_.find(subscription->interest.user_id);
  std::vector<SubscriptionId>& ids = of_user->second;
  if (subscription->position + 1 < ids.size()) {
    ids[subscription->position] = ids.back();
    subscriptions_.find(ids.back())->position = subscription->position;
  }
  ids.pop_back();
  if (ids.empty()) by_user_.erase(of_user);
}

const Interest& Hub::interest(SubscriptionId id) const {
  return subscriptions_.find(id)->interest;
}

void Hub::publish(const StreamName& stream, std::span<const ChangeRow> rows) {
  if (rows.empty() || !by_user_.contains(stream.user_id.str())) return;
  published_.push_back({stream, std::string(rows.front().client_id), tables_of(rows)});
}

void Hub::drain() {
  if (std::exchange(has_gap_, false)) tell_of_gap();
  if (published_.empty()) return;
  // Subscribers may cause more to be published: that is for the next drain.
  const std::vector<Published> published = std::exchange(published_, {});
  std::vector<const Published*> parts;
  for (const Published& part : published) parts.push_back(&part);
  std::ranges::stable_sort(parts, {}, [](const Published* part) {
    return std::tie(part->stream.user_id, part->stream.app_id);
  });
  std::vector<News> apps;  // of one user
  for (size_t i = 0; i < parts.size(); ++i) {
    const StreamName& stream = parts[i]->stream;
    if (apps.empty() || apps.back().app_id() != stream.app_id) apps.emplace_back(stream.app_id);
    apps.back().add(*parts[i]);
    if (i + 1 < parts.size() && parts[i + 1]->stream.user_id == stream.user_id) continue;
    notify(stream.user_id, apps);
    apps.clear();
  }
}

void Hub::tell_of_gap() {
  std::vector<SubscriptionId> all;
  subscriptions_.for_each([&](SubscriptionId id, const Subscription&) { all.push_back(id); });
  // Each call may end other subscriptions.
  for (const SubscriptionId id : all) {
    if (Subscription* subscription = subscriptions_.find(id)) {
      gaps_.add();
      subscription->subscriber->on_gap();
    }
  }
}

void Hub::notify(const std::string& user_id, std::vector<News>& apps) {
  const auto of_user = by_user_.find(user_id);
  if (of_user == by_user_.end()) return;
  Merger merger;
  std::vector<std::pair<SubscriptionId, Due>> due;
  for (const SubscriptionId id : of_user->second) {
    Subscription& subscription = *subscriptions_.find(id);
    Due what = Due::kNothing;
    for (News& news : apps) what = std::max(what, add(subscription, news, merger));
    if (what != Due::kNothing) due.emplace_back(id, what);
  }
  probes::notify(due.size());
  // Each call may end other subscriptions.
  for (const auto& [id, what] : due) {
    Subscription* const subscription = subscriptions_.find(id);
    if (subscription == nullptr) continue;
    (what == Due::kGap ? long_notices_ : notifications_).add();
    if (what == Due::kGap) {
      subscription->subscriber->on_gap();
    } else {
      subscription->subscriber->on_notified();
    }
  }
}

Hub::Due Hub::add(Subscription& subscription, News& news, Merger& merger) {
  const Interest& interest = subscription.interest;
  if (interest.app_id && *interest.app_id != news.app_id()) return Due::kNothing;
  if (!news.concerns(interest.client_id)) return Due::kNothing;
  auto& pending = subscription.pending;
  const bool nothing_waited = pending.empty();
  std::shared_ptr<const Notice> notice = news.notice(interest.client_id);
  auto waiting = std::ranges::find(
      pending, news.app_id(), [](const auto& one) -> const std::string& { return one->app_id; });
  if (notice != nullptr && waiting != pending.end()) {
    if (kBrokenRule == BrokenRule::kNotifyMerge) return Due::kNothing;
    subscription.pending_bytes -= (*waiting)->message.size();
    *waiting = notice = merger.merge(*waiting, notice);
  } else if (notice != nullptr) {
    pending.push_back(notice);
  }
  if (notice != nullptr) subscription.pending_bytes += notice->message.size();
  if (notice != nullptr && subscription.pending_bytes <= limits::kNoticeBytesMax) {
    return nothing_waited ? Due::kNotice : Due::kNothing;
  }
  pending.clear();
  subscription.pending_bytes = 0;
  return Due::kGap;
}

std::vector<std::shared_ptr<const Notice>> Hub::take(SubscriptionId id) {
  Subscription& subscription = *subscriptions_.find(id);
  subscription.pending_bytes = 0;
  return std::exchange(subscription.pending, {});
}

}  // namespace mana_sync::sync
