#include "listener.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>
#include <vector>

#include "http_connection.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/base/timestamp.h"
#include "sse_client.h"
#include "ws_client.h"

namespace mana_sync::loadgen {
namespace {

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class WebSocketListener final : public Listener, private WsEvents {
 public:
  WebSocketListener(const Shared& shared, Identity identity)
      : shared_(shared), identity_(std::move(identity)), client_(shared.network, *this) {}

  void open() override { client_.open("/ws/" + identity_.app); }
  void cut() override { client_.cut(); }

 private:
  void on_open() override {
    client_.send_text(fmt::format(R"({{"type":"auth","token":{},"clientId":{}}})",
                                  json_string(identity_.token), json_string(identity_.client_id)));
  }
  void on_text(std::string_view text) override;
  void on_ended(std::string_view reason) override {
    shared_.events.on_ended(identity_.number, reason);
  }

  const Shared shared_;
  const Identity identity_;
  WsClient client_;
};

void WebSocketListener::on_text(std::string_view text) {
  simdjson::dom::element message;
  std::string_view type;
  if (shared_.json.parse(text).get(message) != simdjson::SUCCESS ||
      message["type"].get(type) != simdjson::SUCCESS) {
    return;
  }
  if (type == "auth-ok") return shared_.events.on_ready(identity_.number);
  simdjson::dom::array named;
  if (type != "sync-available" || message["tables"].get(named) != simdjson::SUCCESS) return;
  std::vector<std::string_view> tables;
  for (const simdjson::dom::element table : named) {
    std::string_view name;
    if (table.get(name) == simdjson::SUCCESS) tables.push_back(name);
  }
  shared_.events.on_tables(identity_.number, tables);
}

class EventStreamListener final : public Listener, private SseEvents {
 public:
  EventStreamListener(const Shared& shared, Identity identity)
      : shared_(shared), identity_(std::move(identity)), client_(shared.network, *this) {}

  void open() override {
    const std::string now = format_cursor_us(shared_.network.loop().clock().wall_us());
    client_.open(fmt::format("/sync/{}/stream?since={}", identity_.app, now),
                 client_headers(identity_.token, identity_.client_id));
  }
  void cut() override { client_.cut(); }

 private:
  void on_open() override { shared_.events.on_ready(identity_.number); }
  void on_event(const SseEvent& event) override;
  void on_ended(std::string_view reason) override {
    shared_.events.on_ended(identity_.number, reason);
  }

  const Shared shared_;
  const Identity identity_;
  SseClient client_;
};

void EventStreamListener::on_event(const SseEvent& event) {
  std::string_view table;
  if (event.event != "changes" ||
      shared_.json.parse(event.data)["table"].get(table) != simdjson::SUCCESS) {
    return;
  }
  shared_.events.on_tables(identity_.number, {&table, 1});
}

}  // namespace

std::unique_ptr<Listener> Listener::make(Kind kind, const Shared& shared, Identity identity) {
  if (kind == Kind::kWebSocket) {
    return std::make_unique<WebSocketListener>(shared, std::move(identity));
  }
  return std::make_unique<EventStreamListener>(shared, std::move(identity));
}

}  // namespace mana_sync::loadgen
