// Cross-origin requests (PROTOCOL 9.4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/result.h"

namespace mana_sync::http {

class CorsPolicy {
 public:
  // Allows nobody.
  CorsPolicy() = default;
  // `list`: comma-separated origins, spaces allowed; `*` alone, or one `*` inside an entry
  // (`https://*.example.com`, where it stands for one or more characters other than `/`). An entry
  // with two `*`: kInvalid, named.
  [[nodiscard]] static Result<CorsPolicy> parse(std::string_view list);

  [[nodiscard]] bool allows(std::string_view origin) const;

  // `Access-Control-Allow-Origin: …\r\n` and what belongs to it, for an allowed origin; nothing for
  // any other.
  void append_headers(std::string& out, std::string_view origin) const;
  // The headers of a preflight's answer, beside the above.
  static void append_preflight_headers(std::string& out);

 private:
  struct Pattern {
    std::string before;
    std::string after;
    bool has_star = false;
  };
  bool any_ = false;
  std::vector<Pattern> patterns_;
};

}  // namespace mana_sync::http
