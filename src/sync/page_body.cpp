#include "page_body.h"

#include <string>
#include <utility>

#include "answer_body.h"
#include "change_format.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/json_text.h"

namespace mana_sync::sync {

GatheredText& PageBody::text_for(std::string_view table, int64_t stamp_us) {
  if (!runs_.empty() && runs_.back().table == table) {
    runs_.back().changes.own() += ',';
    ++bytes_;
    return runs_.back().changes;
  }
  // Rows that other programs wrote may share a stamp: no cursor stands between two of them.
  if (!runs_.empty() && runs_.back().cursor_us == stamp_us) runs_.back().cursor_us = stamp_us - 1;
  return runs_.emplace_back(std::string(table)).changes;
}

void PageBody::add(const ChangeRow& row) {
  std::string table;
  append_json_string(table, row.table);
  std::string& text = text_for(table, row.stamp_us).own();
  const size_t begin = text.size();
  append_change(text, row);
  bytes_ += text.size() - begin;
  ++count_;
  runs_.back().cursor_us = row.stamp_us;
}

void PageBody::add(ChangeTail::Run run) {
  GatheredText& text = text_for(table_of_change(run.text.bytes), run.last_us);
  bytes_ += run.text.bytes.size();
  count_ += run.changes;
  append_run(text, std::move(run.text));
  runs_.back().cursor_us = run.last_us;
}

PageBody::Mark PageBody::mark() const {
  return {.runs = runs_.size(),
          .last_run_bytes = runs_.empty() ? 0 : runs_.back().changes.own().size(),
          .last_run_cursor_us = runs_.empty() ? 0 : runs_.back().cursor_us,
          .bytes = bytes_,
          .count = count_};
}

void PageBody::return_to(const Mark& mark) {
  MANA_CHECK(mark.runs <= runs_.size());
  runs_.resize(mark.runs);
  bytes_ = mark.bytes;
  count_ = mark.count;
  if (runs_.empty()) return;
  runs_.back().changes.own().resize(mark.last_run_bytes);
  runs_.back().cursor_us = mark.last_run_cursor_us;
}

ChangePage PageBody::finish(int64_t synced_until_us, bool has_more) && {
  if (!runs_.empty()) runs_.back().cursor_us = synced_until_us;
  return {.runs = std::move(runs_), .synced_until_us = synced_until_us, .has_more = has_more};
}

}  // namespace mana_sync::sync
