// Fetches the issuer's key set again and again (PROTOCOL 1.4), on a thread of its own: the only
// user of libcurl.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mana_sync/auth/key_set.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/result.h"
#include "mana_sync/net/loop.h"

namespace mana_sync::server {

// When to fetch; milliseconds.
struct KeySetSchedule {
  int64_t refresh_ms = limits::kKeySetRefreshMs;
  // While no fetch succeeded: the wait after each doubles from the one to the other.
  int64_t retry_min_ms = limits::kKeySetRetryMinMs;
  int64_t retry_max_ms = limits::kKeySetRetryMaxMs;
  int64_t fetch_timeout_ms = limits::kKeySetFetchTimeoutMs;
};

class KeySetRefresh {
 public:
  // What a fetch brought: a set with at least one key, or kUnavailable with what went wrong. On the
  // loop's thread. Not of a fetch that had begun when another was asked for: that one tells.
  using OnResult = std::function<void(Result<std::shared_ptr<const auth::KeySet>>)>;

  // Starts the first fetch of `url` (`http:`, `https:` or `file:`). Proxies of the environment are
  // not used. REQUIRES: called on the loop's thread; `loop` outlives the object.
  KeySetRefresh(net::Loop& loop, std::string url, OnResult on_result, KeySetSchedule schedule = {});
  // Abandons a fetch under way and ends the thread; `on_result` is not called any more. REQUIRES:
  // called on the loop's thread.
  ~KeySetRefresh();
  KeySetRefresh(const KeySetRefresh&) = delete;
  KeySetRefresh& operator=(const KeySetRefresh&) = delete;

  // Asks for a fetch at once, or right after the one under way, which may have read older keys.
  // Requests that wait for the same fetch are one. REQUIRES: called on the loop's thread.
  void fetch_now();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mana_sync::server
