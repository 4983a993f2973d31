#include "filler.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "mana_sync/base/timestamp.h"
#include "server_answer.h"

namespace mana_sync::loadgen {
namespace {

constexpr std::string_view kClientId = "filler";

}  // namespace

Filler::Filler(RunContext& run, const PullOptions& options, size_t user, OnEnd on_end)
    : run_(run),
      options_(options),
      on_end_(std::move(on_end)),
      headers_(client_headers(run.tokens[user], kClientId)),
      changes_(options.shape, options.table, 0, ledger_, shared_, run.network.random()),
      connection_(run.network, *this) {}

void Filler::push_next() {
  // The last push of the older ones has none where there are none: it still says where they end.
  const size_t end = cursor_.empty() ? options_.older : options_.older + options_.behind;
  const size_t count = std::min(kChangesOfAPush, end - pushed_);
  const int64_t now_us = run_.network.loop().clock().wall_us();
  const auto made = changes_.make(now_us / 1000, count);
  pushed_ += count;
  // Its own changes do not come back to it.
  const std::string body = fmt::format(R"({{"clientId":"{}","since":"{}","changes":{}}})",
                                       kClientId, format_cursor_us(now_us), made.json);
  connection_.send(
      post_request(run_.network.endpoint(), "/sync/" + run_.options.app, headers_, body));
}

void Filler::on_answer(int status, std::string_view body) {
  if (status != 200) {
    return on_end_(status == 0 ? std::string(body) : fmt::format("a push answered {}", status));
  }
  const auto answer = ServerAnswer::parse(run_.json, body);
  if (!answer) return on_end_(answer.error().message);
  if (cursor_.empty() && pushed_ == options_.older) cursor_ = answer->synced_until;
  if (pushed_ < options_.older + options_.behind || cursor_.empty()) return push_next();
  on_end_({});
}

}  // namespace mana_sync::loadgen
