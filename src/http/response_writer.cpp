#include "response_writer.h"

#include <fmt/format.h>

#include <ctime>
#include <iterator>

namespace mana_sync::http {
namespace {

// Every body is one user's data or tells of them: it is never a page, whatever is in it, and no
// cache between has it afterwards.
constexpr std::string_view kBodyHeaders =
    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";  // RFC 9112 §4 allows none
  }
}

}  // namespace

std::string_view DateCache::now() {
  const int64_t second = clock_.wall_us() / 1'000'000;
  if (second == second_) return text_;
  second_ = second;
  const std::time_t time = second;
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  // Not strftime: names must not follow a locale.
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  text_ = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                      kDays.substr(static_cast<size_t>(utc.tm_wday) * 3, 3), utc.tm_mday,
                      kMonths.substr(static_cast<size_t>(utc.tm_mon) * 3, 3), utc.tm_year + 1900,
                      utc.tm_hour, utc.tm_min, utc.tm_sec);
  return text_;
}

bool status_has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

void append_answer_head(std::string& out, const Response& response, const AnswerContext& context) {
  const auto append = [&out](auto... pieces) { (out.append(pieces), ...); };
  const fmt::format_int status(response.status);
  append("HTTP/1.1 ", std::string_view(status.data(), status.size()), " ",
         reason_phrase(response.status), "\r\nDate: ", context.date, "\r\n");
  if (status_has_body(response.status)) {
    if (!response.content_type.empty()) {
      append("Content-Type: ", response.content_type, "\r\n", kBodyHeaders);
    }
    if (context.framing == AnswerFraming::kLength) {
      const fmt::format_int length(response.body.size());
      append("Content-Length: ", std::string_view(length.data(), length.size()), "\r\n");
    } else if (context.framing == AnswerFraming::kChunked) {
      append("Transfer-Encoding: chunked\r\n");
    }
  }
  if (response.status == 101) {
    append("Connection: Upgrade\r\n");
  } else if (context.close) {
    append("Connection: close\r\n");
  } else if (context.version_minor == 0) {
    append("Connection: keep-alive\r\n");
  }
  for (const auto& [name, value] : response.headers) {
    append(std::string_view(name), ": ", std::string_view(value), "\r\n");
  }
  if (!context.origin.empty()) context.cors.append_headers(out, context.origin);
  if (context.is_preflight) CorsPolicy::append_preflight_headers(out);
  append("\r\n");
}

}  // namespace mana_sync::http
