// What DATABASE_URL says, as libpq reads it. store.h has database_url_error().
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace mana_sync::store {

// The parameters of `url` that are lists of hosts, addresses and ports, begun at their entry
// `first` (modulo their length); empty where it has no list. REQUIRES: database_url_error() has
// none.
[[nodiscard]] std::map<std::string, std::string> database_hosts_from(const std::string& url,
                                                                     size_t first);

}  // namespace mana_sync::store
