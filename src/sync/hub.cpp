#include "mana_sync/sync/hub.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "broken_rule.h"
#include "mana_sync/base/json_text.h"

namespace mana_sync::sync {
namespace {

std::vector<std::string> tables_of(std::span<const ChangeRow> rows) {
  std::vector<std::string> tables;
  for (const ChangeRow& row : rows) {
    // Most pushes are of one table.
    if (tables.empty() || tables.back() != row.table) tables.emplace_back(row.table);
  }
  std::ranges::sort(tables);
  const auto repeats = std::ranges::unique(tables);
  tables.erase(repeats.begin(), repeats.end());
  return tables;
}

std::vector<std::string> united(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
  std::vector<std::string> all;
  std::ranges::set_union(a, b, std::back_inserter(all));
  return all;
}

}  // namespace

std::shared_ptr<const Notice> Notice::of(std::string app_id, std::vector<std::string> tables) {
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
  notice->app_id = std::move(app_id);
  notice->tables = std::move(tables);
  return notice;
}

struct Hub::Subscription {
  Interest interest;
  Subscriber* subscriber;
  std::vector<std::shared_ptr<const Notice>> pending;  // one for each app

  [[nodiscard]] bool hears(const Published& published) const {
    return (!interest.app_id || *interest.app_id == published.stream.app_id) &&
           (interest.client_id.empty() || interest.client_id != published.client_id);
  }
};

Hub::Hub(Metrics& metrics)
    : notifications_(metrics.counter("mana_sync_notifications_total",
                                     "Times that a subscriber was told of changes")) {}

Hub::~Hub() = default;

SubscriptionId Hub::subscribe(Interest interest, Subscriber& subscriber) {
  std::vector<SubscriptionId>& of_user = by_user_[interest.user_id];
  const SubscriptionId id =
      subscriptions_.insert(std::make_unique<Subscription>(std::move(interest), &subscriber));
  of_user.push_back(id);
  return id;
}

void Hub::unsubscribe(SubscriptionId id) {
  const std::unique_ptr<Subscription> subscription = subscriptions_.remove(id);
  const auto of_user = by_user_.find(subscription->interest.user_id);
  std::erase(of_user->second, id);
  if (of_user->second.empty()) by_user_.erase(of_user);
}

const Interest& Hub::interest(SubscriptionId id) const {
  return subscriptions_.find(id)->interest;
}

void Hub::publish(const StreamName& stream, std::span<const ChangeRow> rows) {
  if (rows.empty() || !by_user_.contains(stream.user_id)) return;
  published_.push_back({stream, std::string(rows.front().client_id), tables_of(rows)});
}

void Hub::drain() {
  if (std::exchange(has_gap_, false)) tell_of_gap();
  if (published_.empty()) return;
  // Subscribers may cause more to be published: that is for the next drain.
  const std::vector<Published> published = std::exchange(published_, {});
  absl::flat_hash_map<std::string_view, std::vector<Gathered>> by_user;
  for (const Published& part : published) {
    std::vector<Gathered>& apps = by_user[part.stream.user_id];
    auto app = std::ranges::find(apps, part.stream.app_id, &Gathered::app_id);
    if (app == apps.end()) {
      apps.push_back({.app_id = part.stream.app_id, .parts = {}, .all = nullptr});
      app = std::prev(apps.end());
    }
    app->parts.push_back(&part);
  }
  for (auto& [user_id, apps] : by_user) notify(std::string(user_id), apps);
}

void Hub::tell_of_gap() {
  std::vector<SubscriptionId> all;
  subscriptions_.for_each([&](SubscriptionId id, const Subscription&) { all.push_back(id); });
  // Each call may end other subscriptions.
  for (const SubscriptionId id : all) {
    if (Subscription* subscription = subscriptions_.find(id)) subscription->subscriber->on_gap();
  }
}

void Hub::notify(const std::string& user_id, std::vector<Gathered>& apps) {
  const auto of_user = by_user_.find(user_id);
  if (of_user == by_user_.end()) return;
  std::vector<SubscriptionId> due;
  for (const SubscriptionId id : of_user->second) {
    Subscription& subscription = *subscriptions_.find(id);
    bool is_due = false;
    for (Gathered& app : apps) is_due |= add(subscription, app);
    if (is_due) due.push_back(id);
  }
  // Each call may end other subscriptions.
  for (const SubscriptionId id : due) {
    if (Subscription* subscription = subscriptions_.find(id)) {
      notifications_.add();
      subscription->subscriber->on_notified();
    }
  }
}

bool Hub::add(Subscription& subscription, Gathered& gathered) {
  const auto heard = std::ranges::count_if(
      gathered.parts, [&](const Published* part) { return subscription.hears(*part); });
  if (heard == 0) return false;
  const bool is_all = static_cast<size_t>(heard) == gathered.parts.size();
  std::shared_ptr<const Notice> notice = is_all ? gathered.all : nullptr;
  if (notice == nullptr) {
    std::vector<std::string> tables;
    for (const Published* part : gathered.parts) {
      if (subscription.hears(*part)) tables = united(tables, part->tables);
    }
    notice = Notice::of(gathered.app_id, std::move(tables));
    if (is_all) gathered.all = notice;
  }
  const bool nothing_waited = subscription.pending.empty();
  merge(subscription, std::move(notice));
  return nothing_waited;
}

void Hub::merge(Subscription& subscription, std::shared_ptr<const Notice> notice) {
  for (std::shared_ptr<const Notice>& waiting : subscription.pending) {
    if (waiting->app_id != notice->app_id) continue;
    if (kBrokenRule == BrokenRule::kNotifyMerge) return;
    if (std::ranges::includes(waiting->tables, notice->tables)) return;
    waiting = Notice::of(notice->app_id, united(waiting->tables, notice->tables));
    return;
  }
  subscription.pending.push_back(std::move(notice));
}

std::vector<std::shared_ptr<const Notice>> Hub::take(SubscriptionId id) {
  return std::exchange(subscriptions_.find(id)->pending, {});
}

}  // namespace mana_sync::sync
