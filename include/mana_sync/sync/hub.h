// Who is told of committed changes (PROTOCOL §6, §7). No I/O: a commit only appends here; once in a
// tick what was gathered is handed out, to each subscriber in one call.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mana_sync/base/metrics.h"
#include "mana_sync/base/slot_map.h"
#include "mana_sync/sync/store_port.h"

namespace mana_sync::sync {

// Tables of one app that changed. Shared by all who are told the same.
struct Notice {
  std::string app_id;
  std::vector<std::string> tables;  // sorted, unique
  // `{"type":"sync-available",…}` (PROTOCOL §6)
  std::string message;

  // nullptr: it would be longer than limits::kNoticeBytesMax.
  [[nodiscard]] static std::shared_ptr<const Notice> of(std::string app_id,
                                                        std::vector<std::string> tables);
};

class Subscriber {
 public:
  virtual ~Subscriber() = default;
  // Something waits that did not before the last Hub::take(). May subscribe and unsubscribe.
  virtual void on_notified() = 0;
  // Anything may have been committed that it was not told of, and will not be: another process has
  // written, or there was too much to tell. What waits still waits. May subscribe and unsubscribe.
  virtual void on_gap() = 0;
};

// What a subscriber hears of.
struct Interest {
  std::string user_id;
  std::optional<std::string> app_id;  // nullopt: all of the user's apps
  std::string client_id;              // whose changes it does not hear of; empty: it hears all
};

using SubscriptionId = SlotId;

// One thread.
class Hub {
 public:
  explicit Hub(Metrics& metrics);
  ~Hub();

  // `subscriber` must live until unsubscribe().
  [[nodiscard]] SubscriptionId subscribe(Interest interest, Subscriber& subscriber);
  void unsubscribe(SubscriptionId id);
  // Borrowed until unsubscribe().
  [[nodiscard]] const Interest& interest(SubscriptionId id) const;

  // Rows of one client that were committed. Nobody is called.
  void publish(const StreamName& stream, std::span<const ChangeRow> rows);
  // Another process has written since the last publish: the next drain tells every subscriber.
  void note_gap() { has_gap_ = true; }
  // Hands out what was published since the last drain.
  void drain();
  // What waits for a subscriber, one for each app; it waits no more. What comes while it waits is
  // merged into it, so that one who does not take it costs no more for that; past
  // limits::kNoticeBytesMax in all it is dropped, and on_gap() says so.
  [[nodiscard]] std::vector<std::shared_ptr<const Notice>> take(SubscriptionId id);

  // Users with a subscription.
  [[nodiscard]] size_t user_count() const { return by_user_.size(); }

 private:
  struct Subscription;
  struct Published {
    StreamName stream;
    std::string client_id;
    std::optional<std::vector<std::string>> tables;  // sorted, unique; nullopt: too many to tell
  };
  class News;
  class Merger;
  enum class Due { kNothing, kNotice, kGap };

  void tell_of_gap();
  void notify(const std::string& user_id, std::vector<News>& apps);
  // What a subscriber is to be told: there is something for it, and nothing waited before.
  [[nodiscard]] static Due add(Subscription& subscription, News& news, Merger& merger);

  SlotMap<Subscription> subscriptions_;
  absl::flat_hash_map<std::string, std::vector<SubscriptionId>> by_user_;
  std::vector<Published> published_;
  bool has_gap_ = false;
  Counter& notifications_;
  Counter& gaps_;
  Counter& long_notices_;
};

}  // namespace mana_sync::sync
