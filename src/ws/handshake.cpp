#include "mana_sync/ws/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <utility>

namespace mana_sync::ws {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 §1.3
constexpr std::string_view kVersion = "13";
constexpr size_t kKeyDigits = 22;  // of 16 bytes; two `=` follow

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// `token` is in one of the lists that the headers of that name hold (RFC 9110 §5.6.1).
bool lists_token(const http::Request& request, std::string_view name, std::string_view token) {
  for (const auto& [header_name, header_value] : request.headers) {
    if (!http::equals_ignore_case(header_name, name)) continue;
    for (std::string_view rest = header_value; !rest.empty();) {
      const std::string_view element = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(element.size() + 1, rest.size()));
      if (http::equals_ignore_case(trim(element), token)) return true;
    }
  }
  return false;
}

bool is_key(std::string_view text) {
  const auto is_digit = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
  };
  return text.size() == kKeyDigits + 2 && text.ends_with("==") &&
         std::all_of(text.begin(), text.begin() + kKeyDigits, is_digit);
}

std::unexpected<http::Response> refuse(int status, std::string_view message) {
  return std::unexpected(http::error_response(status, message));
}

std::unexpected<http::Response> ask_for(std::string name, std::string_view value,
                                        std::string_view message) {
  http::Response response = http::error_response(426, message);
  response.headers.emplace_back(std::move(name), value);
  return std::unexpected(std::move(response));
}

}  // namespace

std::string accept_value(std::string_view key) {
  const std::string text = std::string(key).append(kGuid);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned digest_bytes = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr) !=
      1) {
    return {};
  }
  std::array<uint8_t, EVP_MAX_MD_SIZE * 2> encoded;  // more than base64's 4 for 3
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest_bytes));
  return {encoded.begin(), encoded.begin() + length};
}

std::expected<http::Response, http::Response> answer_handshake(const http::Request& request) {
  // In HTTP/1.0 `Upgrade` means nothing (RFC 9110 §7.8).
  const bool asks = request.version_minor > 0 && lists_token(request, "Upgrade", "websocket");
  if (!asks) return ask_for("Upgrade", "websocket", "this is a WebSocket endpoint");
  if (request.method != http::Method::kGet) return refuse(400, "a WebSocket is opened by a GET");
  if (!lists_token(request, "Connection", "upgrade")) {
    return refuse(400, "Connection does not name Upgrade");
  }
  if (request.header_count("Sec-WebSocket-Version") != 1) {
    return refuse(400, "there must be one Sec-WebSocket-Version");
  }
  if (trim(*request.header("Sec-WebSocket-Version")) != kVersion) {
    return ask_for("Sec-WebSocket-Version", kVersion, "only version 13 is spoken here");
  }
  if (request.header_count("Sec-WebSocket-Key") != 1) {
    return refuse(400, "there must be one Sec-WebSocket-Key");
  }
  const std::string_view key = trim(*request.header("Sec-WebSocket-Key"));
  if (!is_key(key)) return refuse(400, "Sec-WebSocket-Key is not 16 bytes of base64");
  std::string accept = accept_value(key);
  if (accept.empty()) return refuse(500, "SHA-1 is not available");

  http::Response response;
  response.status = 101;
  response.headers.emplace_back("Upgrade", "websocket");
  response.headers.emplace_back("Sec-WebSocket-Accept", std::move(accept));
  return response;
}

}  // namespace mana_sync::ws
