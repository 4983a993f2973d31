#include "device.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>

#include "mana_sync/base/timestamp.h"

namespace mana_sync::loadgen {
namespace {

// Deployed clients try again after these (PROTOCOL 9.5), and after no answer at all.
bool is_to_be_repeated(int status) {
  return status == 0 || status == 408 || status == 429 || status >= 500;
}

}  // namespace

Device::Device(const Means& means, Identity identity)
    : means_(means),
      identity_(std::move(identity)),
      headers_(client_headers(identity_.token, identity_.client_id)),
      since_(identity_.since),
      since_us_(parse_cursor_us(since_)),
      inbox_(means.ledger, identity_.number),
      changes_(means.shape, means.table, identity_.number, means.ledger, inbox_.shared(),
               means.run.network.random()) {}

void Device::start(Op op, int64_t due_ns) {
  op_ = op;
  due_ns_ = due_ns;
  switch (op) {
    case Op::kPush:
      return means_.connection.send(push_request(), *this);
    case Op::kPull:
      return means_.connection.send(pull_request(), *this);
    case Op::kHealth:
      return means_.connection.send(get_request(means_.run.network.endpoint(), "/health"), *this);
  }
}

const std::string& Device::push_request() {
  if (push_) return push_->request;
  auto made = changes_.make(means_.run.network.loop().clock().wall_us() / 1000);
  const std::string body = fmt::format(R"({{"clientId":"{}","since":"{}","changes":{}}})",
                                       identity_.client_id, since_, made.json);
  push_.emplace(post_request(means_.run.network.endpoint(), "/sync/" + means_.run.options.app,
                             headers_, body),
                std::move(made.numbers));
  return push_->request;
}

std::string Device::pull_request() const {
  std::string target = fmt::format("/sync/{}/pull?collection={}&since={}", means_.run.options.app,
                                   means_.table, since_);
  if (means_.pull_limit > 0) target += fmt::format("&limit={}", means_.pull_limit);
  return get_request(means_.run.network.endpoint(), target, headers_);
}

void Device::on_answer(int status, std::string_view body) {
  if (op_ == Op::kPush) settle_push(status);
  if (op_ != Op::kHealth && status == 200) take(body);
  means_.events.on_request_done(identity_.place, op_, status, due_ns_, body);
}

void Device::settle_push(int status) {
  if (is_to_be_repeated(status)) return;
  const Push push = *std::exchange(push_, std::nullopt);
  if (status != 200) return;
  const int64_t now_ns = means_.run.network.now_ns();
  for (const uint64_t number : push.numbers) means_.ledger.on_acknowledged(number, now_ns);
}

void Device::take(std::string_view body) {
  const auto answer = ServerAnswer::parse(means_.run.json, body);
  if (!answer) return means_.events.on_wrong(answer.error().message);
  for (const ReceivedChange& change : answer->changes) inbox_.take(change);
  const int64_t since_us = parse_cursor_us(answer->synced_until);
  if (since_us < since_us_) means_.events.on_wrong("a cursor went back");
  since_us_ = since_us;
  since_ = answer->synced_until;
  has_more_ = answer->has_more;
  conflicts_ += answer->conflicts;
}

}  // namespace mana_sync::loadgen
