// The target of a request: percent-encoding, the query, and which endpoint it names with which app
// id (PROTOCOL 9.1).
#include <algorithm>
#include <string>

#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "mana_sync/http/message.h"
#include "routes.h"
#include "utf8_checker.h"

namespace mana_sync::fuzz {
namespace {

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte / 16];
    out += kDigits[byte % 16];
  }
  return out;
}

void expect_round_trip(std::string_view text) {
  for (const bool plus_is_space : {false, true}) {
    MANA_CHECK(http::percent_decode(percent_encode(text), plus_is_space) == text);
    const auto decoded = http::percent_decode(text, plus_is_space);
    if (!decoded) continue;
    MANA_CHECK(decoded->size() +
                   2 * static_cast<size_t>(std::count(text.begin(), text.end(), '%')) ==
               text.size());
    MANA_CHECK(http::percent_decode(percent_encode(*decoded), plus_is_space) == decoded);
  }
  MANA_CHECK(http::query_value("a=1&" + percent_encode("b" + std::string(text)) + "=" +
                                   percent_encode(text) + "&c=2",
                               "b" + std::string(text)) == text);
}

void expect_valid_app_id(std::string_view app_id) {
  ws::Utf8Checker utf8;
  MANA_CHECK(!app_id.empty() && app_id.size() <= 255);
  MANA_CHECK(app_id.find('\0') == std::string_view::npos);
  MANA_CHECK(utf8.feed(app_id) && utf8.is_complete());
}

}  // namespace
}  // namespace mana_sync::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  const std::string_view target = fuzz::text_of(data, size);
  http::Request request;
  request.path = target.substr(0, target.find('?'));
  request.query = target.substr(std::min(request.path.size() + 1, target.size()));
  fuzz::expect_round_trip(request.query);
  for (const std::string_view name : {"since", "collection", "collections", "limit", "echo"}) {
    static_cast<void>(http::query_value(request.query, name));
  }
  for (const auto method : {http::Method::kGet, http::Method::kPost, http::Method::kOther}) {
    request.method = method;
    request.route = server::find_route(request.path);
    if (const auto refusal = server::refuse_route(request)) {
      MANA_CHECK(refusal->status == 400 || refusal->status == 404 || refusal->status == 405);
    } else if (const auto app_id = server::app_id_of(request)) {
      fuzz::expect_valid_app_id(*app_id);
    }
  }
  return 0;
}
