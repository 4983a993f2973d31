#include "fake_store.h"

#include <algorithm>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {
namespace {

// The cursor behind the first n changes of a user is n microseconds after this.
constexpr int64_t kBeginningUs = 4'000'000'000'000'000;

}  // namespace

std::string FakeStore::push(const std::string& user, const std::string& client,
                            std::string_view body) {
  const simdjson::dom::element changeset = parser_.parse(body);
  const std::string since{changeset["since"].get_string().value()};
  std::vector<Kept> pushed;
  for (const simdjson::dom::element change : changeset["changes"].get_array()) {
    if (changes_to_lose > 0) {
      --changes_to_lose;
      continue;
    }
    const int copies = changes_to_repeat > 0 ? 2 : 1;
    changes_to_repeat = std::max(0, changes_to_repeat - 1);
    for (int i = 0; i < copies; ++i) pushed.push_back({client, simdjson::minify(change)});
  }
  std::vector<Kept>& kept = by_user_[user];
  kept.insert(kept.end(), pushed.begin(), pushed.end());
  return pull(user, client, since);
}

std::string FakeStore::pull(const std::string& user, const std::string& client,
                            std::string_view since) {
  const Page found = page(user, client, since);
  const std::string more = found.has_more ? R"("hasMore":true,)" : "";
  return R"({"serverChanges":[)" + found.changes + R"(],"conflicts":[],)" + more +
         R"("syncedUntil":")" + found.cursor + R"("})";
}

std::string FakeStore::events(const std::string& user, const std::string& client,
                              std::string& since) {
  std::string events;
  for (bool has_more = true; has_more;) {
    const Page found = page(user, client, since);
    has_more = found.has_more;
    since = found.cursor;
    if (found.changes.empty()) continue;
    events += "id: " + since + "\nevent: changes\ndata: {\"table\":\"todos\",\"changes\":[" +
              found.changes + "],\"syncedUntil\":\"" + since + "\"}\n\n";
  }
  return events;
}

FakeStore::Page FakeStore::page(const std::string& user, const std::string& client,
                                std::string_view since) {
  const std::vector<Kept>& kept = by_user_[user];
  size_t at = static_cast<size_t>(std::max<int64_t>(0, parse_cursor_us(since) - kBeginningUs));
  Page page;
  for (size_t sent = 0; at < kept.size() && sent < kPageChanges; ++at) {
    if (kept[at].client == client) continue;
    if (sent++ > 0) page.changes += ',';
    page.changes += kept[at].json;
  }
  page.has_more = at < kept.size();
  page.cursor = format_cursor_us(kBeginningUs + static_cast<int64_t>(at));
  return page;
}

}  // namespace mana_sync::loadgen
