// A store in memory whose calls wait until the test says how each is answered.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "mana_sync/sync/store_port.h"
#include "stored_rows.h"

namespace mana_sync::sync::testing {

class ScriptedStore final : public StorePort {
 public:
  void commit(const CommitUnit& unit, CommitCallback done) override;
  void read_page(PageQuery query, PageCallback done) override;
  void load_stream(StreamName stream,
                   std::move_only_function<void(std::span<const ChangeRow>)> on_chunk,
                   std::move_only_function<void(Result<void>)> done) override;
  void lookup(LookupQuery query, LookupCallback done) override;

  // Each answers the oldest call of its kind. REQUIRES: there is one.
  void answer_commit(CommitOutcome outcome, std::string_view reason = "reason");
  // Stores the rows, and loses the answer.
  void commit_unknown_but_stored();
  void answer_load();
  void answer_lookup();
  void answer_read();
  void fail_load();
  void fail_lookup();
  void fail_read();
  // Answers the oldest call of any kind as a healthy store does; false: nothing waits.
  bool answer_any();

  [[nodiscard]] StoredRows& rows_of(const StreamName& stream) {
    return rows_[{stream.user_id, stream.app_id}];
  }

  struct Commit {
    const CommitUnit* unit;
    CommitCallback done;
  };
  struct Read {
    PageQuery query;
    PageCallback done;
  };
  struct Load {
    StreamName stream;
    std::move_only_function<void(std::span<const ChangeRow>)> on_chunk;
    std::move_only_function<void(Result<void>)> done;
  };
  struct Question {
    LookupQuery query;
    LookupCallback done;
  };
  std::deque<Commit> commits;
  std::deque<Read> reads;
  std::deque<Load> loads;
  std::deque<Question> questions;

 private:
  void store(const CommitUnit& unit);

  std::map<std::pair<std::string, std::string>, StoredRows> rows_;
};

}  // namespace mana_sync::sync::testing
