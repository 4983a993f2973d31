#include "follower.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>

#include "http_connection.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {

Follower::Follower(RunContext& run, size_t user, size_t device, DeliveryLedger& ledger,
                   Histogram& delays, FollowerEvents& events)
    : run_(run),
      user_(user),
      client_id_(fmt::format("follower-{}-{}", user, device)),
      ledger_(ledger),
      delays_(delays),
      events_(events),
      inbox_(ledger, device),
      since_(format_cursor_us(run.network.loop().clock().wall_us())),
      client_(run.network, *this) {}

Follower::~Follower() {
  run_.network.loop().cancel(reopen_timer_);
}

void Follower::open() {
  std::string headers = client_headers(run_.tokens[user_], client_id_);
  if (!last_id_.empty()) headers += fmt::format("Last-Event-ID: {}\r\n", last_id_);
  client_.open(fmt::format("/sync/{}/stream?since={}", run_.options.app, since_), headers);
}

void Follower::reconnect() {
  run_.network.loop().cancel(reopen_timer_);
  client_.cut();
  open();
}

void Follower::on_event(const SseEvent& event) {
  if (event.event == "changes") {
    take(event);
  } else if (event.event != "heartbeat") {
    events_.on_wrong("an event has an unknown name");
  }
}

void Follower::take(const SseEvent& event) {
  const auto changes = ServerAnswer::parse_event(run_.json, event.data);
  if (!changes) return events_.on_wrong(changes.error().message);
  if (event.id < last_id_) events_.on_wrong("an event's id went back");
  last_id_ = event.id;
  const int64_t now_ns = run_.network.now_ns();
  for (const ReceivedChange& change : changes->changes) {
    const auto number = inbox_.take(change);
    if (!number) continue;
    const auto answered_ns = ledger_.acknowledged_ns(*number);
    delays_.record(answered_ns ? std::max<int64_t>(0, now_ns - *answered_ns) : 0);
  }
}

void Follower::on_ended(std::string_view reason) {
  events_.on_follower_ended(reason);
  reopen_timer_ =
      run_.network.loop().after(std::chrono::milliseconds(kReopenMs), [this] { open(); });
}

}  // namespace mana_sync::loadgen
