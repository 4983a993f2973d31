// One bounded GET with libcurl, which can be abandoned from another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "mana_sync/base/result.h"

namespace mana_sync::server {

struct FetchLimits {
  int64_t timeout_ms;  // from the first to the last byte, redirects included
  size_t bytes_max;
  int redirects_max;  // to http: and https: only
};

class HttpFetch {
 public:
  HttpFetch();
  ~HttpFetch();
  HttpFetch(const HttpFetch&) = delete;
  HttpFetch& operator=(const HttpFetch&) = delete;

  // The body of a 200 (or of a readable `file:`). kUnavailable, saying why, for anything else. Uses
  // no proxy, no cookie and no signal. Blocks; one thread.
  [[nodiscard]] Result<std::string> get(const std::string& url, const FetchLimits& limits);

  // Ends a get() under way soon, and every later one at once. Any thread.
  void abandon();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `url` without user, password, query and fragment: what may stand in a log.
[[nodiscard]] std::string url_for_log(const std::string& url);

}  // namespace mana_sync::server
