#include "notice_ledger.h"

#include <algorithm>
#include <charconv>

#include "mana_sync/base/limits.h"

namespace mana_sync::loadgen {
namespace {

constexpr std::string_view kPrefix = "table-";
constexpr size_t kQuotedNameBytesMax = kPrefix.size() + 3 + 3;  // digits; quotes and a comma

// However many notices are merged, the server can name their tables.
static_assert(NoticeLedger::kTablesMax * kQuotedNameBytesMax < limits::kNoticeBytesMax);
static_assert(NoticeLedger::kTablesMax <= 1'000, "numbers of three digits");

}  // namespace

uint64_t NoticeLedger::begin(size_t group, int64_t now_ns) {
  if (pushes_.size() == kTablesMax) forget_oldest();
  pushes_.push_back({.group = group, .due_ns = now_ns});
  pushes_.back().is_told.resize(group_listeners_);
  ++unsettled_;
  return oldest_ + pushes_.size() - 1;
}

std::string NoticeLedger::table_of(uint64_t push) {
  return std::string(kPrefix) + std::to_string(push % kTablesMax);
}

void NoticeLedger::on_answered(uint64_t push, int64_t now_ns) {
  Push* const found = find(push);
  if (found == nullptr) return;
  found->answered_ns = now_ns;
  settle_if_complete(*found);
}

void NoticeLedger::on_refused(uint64_t push) {
  Push* const found = find(push);
  if (found == nullptr || found->is_settled) return;
  found->is_settled = true;
  --unsettled_;
}

void NoticeLedger::on_told(size_t group, size_t listener, std::string_view table, int64_t now_ns) {
  uint64_t place = kTablesMax;
  if (table.starts_with(kPrefix)) {
    std::from_chars(table.data() + kPrefix.size(), table.data() + table.size(), place);
  }
  // The one push of the last kTablesMax that has this table.
  const uint64_t turn = (place + kTablesMax - oldest_ % kTablesMax) % kTablesMax;
  Push* const push = place < kTablesMax ? find(oldest_ + turn) : nullptr;
  if (push == nullptr || push->group != group || listener >= group_listeners_) {
    ++astray_;
    return;
  }
  if (push->is_told[listener]) return;
  push->is_told[listener] = true;
  if (++push->told == 1) push->first_ns = now_ns;
  push->last_ns = now_ns;
  settle_if_complete(*push);
}

uint64_t NoticeLedger::missed() const {
  uint64_t missed = missed_;
  for (const Push& push : pushes_) {
    if (!push.is_settled) missed += group_listeners_ - push.told;
  }
  return missed;
}

NoticeLedger::Push* NoticeLedger::find(uint64_t push) {
  if (push < oldest_ || push - oldest_ >= pushes_.size()) return nullptr;
  return &pushes_[push - oldest_];
}

void NoticeLedger::settle_if_complete(Push& push) {
  if (push.is_settled || push.answered_ns == 0 || push.told < group_listeners_) return;
  push.is_settled = true;
  --unsettled_;
  latencies_.request_to_answer.record(push.answered_ns - push.due_ns);
  if (group_listeners_ == 0) return;
  latencies_.answer_to_first.record(std::max<int64_t>(0, push.first_ns - push.answered_ns));
  latencies_.answer_to_last.record(std::max<int64_t>(0, push.last_ns - push.answered_ns));
  latencies_.request_to_first.record(push.first_ns - push.due_ns);
  latencies_.request_to_last.record(push.last_ns - push.due_ns);
}

void NoticeLedger::forget_oldest() {
  const Push& push = pushes_.front();
  if (!push.is_settled) {
    missed_ += group_listeners_ - push.told;
    --unsettled_;
  }
  pushes_.pop_front();
  ++oldest_;
}

}  // namespace mana_sync::loadgen
