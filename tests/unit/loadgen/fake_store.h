// Keeps what was pushed and hands it on, in memory: as much of a server as a load generator can see
// when nothing conflicts. Can be told to lose a change, or to send one twice.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mana_sync::loadgen {

class FakeStore {
 public:
  static constexpr size_t kPageChanges = 7;

  // The answer to a push of `body`, and to a pull; a client does not get its own changes.
  std::string push(const std::string& user, const std::string& client, std::string_view body);
  std::string pull(const std::string& user, const std::string& client, std::string_view since);
  // The events (PROTOCOL 7.2) that a follower at `since` is to get; moves `since` behind them.
  std::string events(const std::string& user, const std::string& client, std::string& since);

  int changes_to_lose = 0;    // the next ones are acknowledged and not kept
  int changes_to_repeat = 0;  // the next ones are kept twice

 private:
  struct Kept {
    std::string client;
    std::string json;
  };
  struct Page {
    std::string changes;  // the elements of the array
    std::string cursor;
    bool has_more;
  };

  Page page(const std::string& user, const std::string& client, std::string_view since);

  simdjson::dom::parser parser_;
  std::map<std::string, std::vector<Kept>> by_user_;
};

}  // namespace mana_sync::loadgen
