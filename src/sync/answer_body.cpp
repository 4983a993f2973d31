#include "answer_body.h"

#include "change_format.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/spare_strings.h"
#include "mana_sync/base/timestamp.h"

namespace mana_sync::sync {

void append_run(GatheredText& out, SharedBytes run) {
  if (run.bytes.size() <= limits::kSmallOutputBytes) {
    out.own() += run.bytes;
  } else {
    out.append(std::move(run));
  }
}

AnswerBody::AnswerBody() {
  text_.own() = take_spare_string(limits::kSpareStringBytesMin);
  text_.own() += kBegin;
}

void AnswerBody::separate() {
  if (count_ > 0) text_.own() += ',';
}

void AnswerBody::add(const ChangeRow& row) {
  separate();
  append_change(text_.own(), row);
  ++count_;
}

void AnswerBody::add(ChangeTail::Run run) {
  separate();
  append_run(text_, std::move(run.text));
  count_ += run.changes;
}

void AnswerBody::return_to(const Mark& mark) {
  std::string& text = text_.own();
  text.resize(text.size() - (bytes() - mark.bytes));
  MANA_CHECK(text_.splices().empty() || text_.splices().back().at <= text.size());
  count_ = mark.count;
}

void AnswerBody::add_correction(const ChangeRow& row) {
  if (!corrections_.empty()) corrections_ += ',';
  append_change(corrections_, row);
}

void AnswerBody::shrink_corrections(size_t bytes) {
  corrections_.resize(corrections_.size() - (this->bytes() - bytes));
}

GatheredText AnswerBody::finish(std::string_view conflicts, int64_t synced_until_us,
                                bool has_more) && {
  if (!corrections_.empty()) {
    if (count_ > 0) corrections_ += ',';
    text_.insert(kBegin.size(), corrections_);
  }
  std::string& end = text_.own();
  end += "],\"conflicts\":[";
  end += conflicts;
  end += "],\"syncedUntil\":\"";
  append_cursor_us(end, synced_until_us);
  end += '"';
  if (has_more) end += ",\"hasMore\":true";
  end += '}';
  return std::move(text_);
}

}  // namespace mana_sync::sync
