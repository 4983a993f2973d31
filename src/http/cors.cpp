#include "mana_sync/http/cors.h"

#include <algorithm>

namespace mana_sync::http {
namespace {

std::string_view trim_spaces(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

Result<CorsPolicy> CorsPolicy::parse(std::string_view list) {
  CorsPolicy policy;
  while (!list.empty()) {
    const std::string_view piece = list.substr(0, list.find(','));
    list.remove_prefix(std::min(piece.size() + 1, list.size()));
    const std::string_view entry = trim_spaces(piece);
    if (entry.empty()) continue;
    if (entry == "*") {
      policy.any_ = true;
      continue;
    }
    const size_t star = entry.find('*');
    if (star != entry.rfind('*')) {
      return fail(ErrorCode::kInvalid, "origin with more than one '*': " + std::string(entry));
    }
    const bool has_star = star != std::string_view::npos;
    policy.patterns_.push_back({std::string(entry.substr(0, star)),
                                std::string(has_star ? entry.substr(star + 1) : ""), has_star});
  }
  return policy;
}

bool CorsPolicy::allows(std::string_view origin) const {
  if (origin.empty()) return false;
  if (any_) return true;
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
    if (!pattern.has_star) return origin == pattern.before;
    const size_t fixed = pattern.before.size() + pattern.after.size();
    if (origin.size() <= fixed || !origin.starts_with(pattern.before) ||
        !origin.ends_with(pattern.after)) {
      return false;
    }
    const std::string_view matched = origin.substr(pattern.before.size(), origin.size() - fixed);
    return matched.find('/') == std::string_view::npos;
  });
}

void CorsPolicy::append_headers(std::string& out, std::string_view origin) const {
  if (!allows(origin)) return;
  out += "Access-Control-Allow-Origin: ";
  out += origin;
  out += "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n";
}

void CorsPolicy::append_preflight_headers(std::string& out) {
  out +=
      "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
      "Access-Control-Allow-Headers: Authorization, Content-Type, X-Client-Id\r\n"
      "Access-Control-Max-Age: 86400\r\n";
}

}  // namespace mana_sync::http
