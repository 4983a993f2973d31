#include "writer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {

Writer::Writer(RunContext& run, size_t user, std::string client_id, WriterEvents& events)
    : run_(run),
      events_(events),
      client_id_(std::move(client_id)),
      target_("/sync/" + run.options.app),
      headers_(client_headers(run.tokens[user], client_id_)),
      since_(format_cursor_us(run.network.loop().clock().wall_us())),
      connection_(run.network, *this) {}

bool Writer::push(uint64_t ticket, std::string table) {
  if (waiting_.size() >= kWaitingMax) return false;
  waiting_.push_back({ticket, std::move(table)});
  if (!is_under_way_) send_next();
  return true;
}

void Writer::send_next() {
  is_under_way_ = !waiting_.empty();
  if (waiting_.empty()) return;
  const Waiting& next = waiting_.front();
  const std::string now = format_time_ms(run_.network.loop().clock().wall_us() / 1000);
  const std::string id = fmt::format("{}-{}", client_id_, next.ticket);
  const std::string body = fmt::format(
      R"({{"clientId":"{}","since":"{}","changes":[{{"table":"{}","id":"{}","op":"insert",)"
      R"("data":{{"id":"{}","title":"Buy milk","createdAt":"{}","updatedAt":"{}"}}}}]}})",
      client_id_, since_, next.table, id, id, now, now);
  connection_.send(post_request(run_.network.endpoint(), target_, headers_, body));
}

void Writer::on_answer(int status, std::string_view body) {
  const Waiting answered = std::move(waiting_.front());
  waiting_.pop_front();
  std::string_view since;
  if (status == 200 && run_.json.parse(body)["syncedUntil"].get(since) == simdjson::SUCCESS) {
    since_ = since;
  }
  events_.on_push_answered(answered.ticket, status);
  send_next();
}

}  // namespace mana_sync::loadgen
