#include "sync_endpoints.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/sort_unique.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::server {
namespace {

// RFC 3339's longest, 35 characters with nine digits of a second, each of them percent-encoded.
constexpr size_t kSentCursorBytesMax = size_t{3} * 35;

bool is_text(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos &&
         simdjson::validate_utf8(bytes.data(), bytes.size());
}

// The `X-Client-Id` header; nullopt: absent or empty (PROTOCOL 2.3).
Result<std::optional<std::string>> client_id_header(const http::Request& request) {
  const auto header = request.header("X-Client-Id");
  if (!header || header->empty()) return std::nullopt;
  if (request.header_count("X-Client-Id") > 1) {
    return fail(ErrorCode::kInvalid, "X-Client-Id: there is more than one");
  }
  if (header->size() > limits::kClientIdBytesMax || !is_text(*header)) {
    return fail(ErrorCode::kInvalid, "X-Client-Id: must be at most 255 bytes of UTF-8");
  }
  return std::string(*header);
}

// Whose changes are not asked for: the client's own, unless it lost its database (PROTOCOL 3.1).
Result<std::optional<std::string>> left_out_client(const http::Request& request) {
  auto client_id = client_id_header(request);
  if (client_id && http::query_value(request.query, "echo") == "1") client_id->reset();
  return client_id;
}

// `collections=a,b` or `*`, or `collection=a` (PROTOCOL 3.3). Empty: all tables; nullopt: neither
// is there, or it is empty.
Result<std::optional<std::vector<std::string>>> wanted_tables(std::string_view query) {
  if (auto table = http::query_value(query, "collection"); table && !table->empty()) {
    if (!is_text(*table)) return fail(ErrorCode::kInvalid, "collection: must be UTF-8");
    return std::vector{std::move(*table)};
  }
  const auto list = http::query_value(query, "collections");
  if (!list || list->empty()) return std::nullopt;
  if (!is_text(*list)) return fail(ErrorCode::kInvalid, "collections: must be UTF-8");
  if (*list == "*") return std::vector<std::string>();
  std::vector<std::string> tables;
  for (size_t begin = 0; begin <= list->size();) {
    const size_t end = std::min(list->find(',', begin), list->size());
    if (end > begin) tables.push_back(list->substr(begin, end - begin));
    begin = end + 1;
  }
  if (tables.empty()) return fail(ErrorCode::kInvalid, "collections: names no table");
  sort_unique(tables);
  if (tables.size() > limits::kPullTablesMax) {
    return fail(ErrorCode::kInvalid,
                fmt::format("collections: at most {}; `*` is all of them", limits::kPullTablesMax));
  }
  return tables;
}

// `since=C`; one that cannot be read, even by its percent-encoding, is the beginning
// (PROTOCOL 2.5). nullopt: it is not there, or empty.
std::optional<int64_t> wanted_cursor_us(std::string_view query) {
  const auto sent = http::raw_query_value(query, "since");
  if (!sent || sent->empty()) return std::nullopt;
  std::array<char, kSentCursorBytesMax> buffer;
  if (sent->size() > buffer.size()) return 0;
  const auto since = http::percent_decode(*sent, true, buffer);
  return since ? parse_cursor_us(*since) : 0;
}

// `limit=N` asks for fewer than the maximum; anything else for the maximum (PROTOCOL 3.2).
size_t wanted_changes(std::string_view query) {
  const std::string text = http::query_value(query, "limit").value_or("");
  size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool valid = error == std::errc() && end == text.data() + text.size() && limit > 0;
  return valid ? std::min(limit, limits::kPullPageChangesMax) : limits::kPullPageChangesMax;
}

}  // namespace

Result<sync::PushRequest> read_push(http::Request& request, SharedText user_id,
                                    std::string app_id) {
  auto client_id = client_id_header(request);
  if (!client_id) return std::unexpected(client_id.error());
  return sync::PushRequest{.stream = {std::move(user_id), std::move(app_id)},
                           .client_id = std::move(*client_id),
                           .body = std::move(request.body)};
}

Result<sync::PullRequest> read_pull(const http::Request& request, SharedText user_id,
                                    std::string app_id) {
  auto tables = wanted_tables(request.query);
  if (!tables) return std::unexpected(tables.error());
  if (!*tables) {
    return fail(ErrorCode::kInvalid, "collection: name one, or several as collections=a,b");
  }
  const auto since = wanted_cursor_us(request.query);
  if (!since) return fail(ErrorCode::kInvalid, "since: is missing");
  auto client_id = left_out_client(request);
  if (!client_id) return std::unexpected(client_id.error());
  return sync::PullRequest{.stream = {std::move(user_id), std::move(app_id)},
                           .tables = std::move(**tables),
                           .since_us = *since,
                           .exclude_client = std::move(*client_id),
                           .changes_max = wanted_changes(request.query)};
}

Result<sync::PullRequest> read_follow(const http::Request& request, SharedText user_id,
                                      std::string app_id) {
  auto tables = wanted_tables(request.query);
  if (!tables) return std::unexpected(tables.error());
  auto client_id = left_out_client(request);
  if (!client_id) return std::unexpected(client_id.error());
  int64_t since_us = wanted_cursor_us(request.query).value_or(0);
  // What an EventSource sends when it connects again; the query is then the one it began with.
  const auto last_event_id = request.header("Last-Event-ID");
  if (last_event_id && !last_event_id->empty()) since_us = parse_cursor_us(*last_event_id);
  return sync::PullRequest{.stream = {std::move(user_id), std::move(app_id)},
                           .tables = std::move(*tables).value_or(std::vector<std::string>()),
                           .since_us = since_us,
                           .exclude_client = std::move(*client_id),
                           .changes_max = limits::kPullPageChangesMax,
                           .bytes_max = limits::kFollowerPageBytesMax};
}

}  // namespace mana_sync::server
