// Requests as clients send them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::samples {

inline constexpr std::string_view kUserId = "3f2c8a7e-5b1d-4c9e-8f60-2a7d9b4e1c35";
inline constexpr std::string_view kAppId = "todos";
inline constexpr int64_t kEditMs = 1'704'103'500'000;  // 2024-01-01T10:05:00Z

// A push of updates of two fields, each of a record of its own, all made at `edit_ms`.
inline std::string push_body(int64_t changes, int64_t edit_ms = kEditMs, int64_t since_us = 0) {
  std::string body =
      fmt::format(R"({{"clientId":"laptop","since":"{}","changes":[)", format_cursor_us(since_us));
  const std::string time = format_time_ms(edit_ms);
  for (int64_t i = 0; i < changes; ++i) {
    if (i > 0) body += ',';
    body += fmt::format(R"({{"table":"todos","id":"todo-{}","op":"update","fields":{{)"
                        R"("title":{{"value":"Buy milk and eggs","updatedAt":"{}"}},)"
                        R"("completed":{{"value":true,"updatedAt":"{}"}}}}}})",
                        i, time, time);
  }
  return body + "]}";
}

// As a browser's fetch() sends it.
inline std::string request(std::string_view method, std::string_view target, std::string_view token,
                           std::string_view client_id, std::string_view body = "") {
  std::string text = fmt::format(
      "{} {} HTTP/1.1\r\nHost: sync.example.com\r\nConnection: keep-alive\r\n"
      "Authorization: Bearer {}\r\nX-Client-Id: {}\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br, zstd\r\nOrigin: https://app.example.com\r\n",
      method, target, token, client_id);
  if (!body.empty()) {
    text += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
  }
  return fmt::format("{}\r\n{}", text, body);
}

inline std::string pull_request(int64_t since_us, std::string_view token,
                                std::string_view client_id) {
  const std::string target =
      fmt::format("/sync/{}/pull?collections=*&since={}", kAppId, format_cursor_us(since_us));
  return request("GET", target, token, client_id);
}

inline std::string push_request(std::string_view body, std::string_view token) {
  return request("POST", fmt::format("/sync/{}", kAppId), token, "laptop", body);
}

}  // namespace mana_sync::samples
