// A PostgreSQL in memory behind connections that delay, reorder, refuse and break. It keeps
// StorePort's contract and not a bit more.
//
// Every call waits until advance() picks it. First it happens (rows are stored, or read), later it
// is answered; it may also be answered with a failure, before or after it happened.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dice.h"
#include "journal.h"
#include "knobs.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/sync/store_port.h"
#include "stored_rows.h"

namespace mana_sync::sim {

// A value that PostgreSQL is said to refuse.
inline constexpr std::string_view kPoison = "\"poison\"";

class SimStore final : public sync::StorePort {
 public:
  // Hears what the engine is about to be told of a unit.
  using OutcomeWatcher = std::function<void(const sync::StreamName&,
                                            std::span<const sync::ChangeRow>, sync::CommitOutcome)>;

  // All must outlive it.
  SimStore(const Knobs& knobs, const Clock& clock, Dice& dice, Journal& journal)
      : knobs_(knobs), clock_(clock), dice_(dice), journal_(journal) {}

  void watch_outcomes(OutcomeWatcher watcher) { outcome_watcher_ = std::move(watcher); }

  void commit(const sync::CommitUnit& unit, sync::CommitCallback done) override;
  void read_page(sync::PageQuery query, sync::PageCallback done) override;
  void load_stream(sync::StreamName stream,
                   std::move_only_function<void(std::span<const sync::ChangeRow>)> on_chunk,
                   std::move_only_function<void(Result<void>)> done) override;
  void lookup(sync::LookupQuery query, sync::LookupCallback done) override;

  // By hand: calls under way, in the order that they came, and one of them a step further.
  [[nodiscard]] size_t calls() const { return calls_.size(); }
  void advance(size_t call);

  // One call, or the fate of a unit that nobody knew, goes a step further.
  void advance();
  // Calls past their deadline are answered.
  void expire();
  // The server died: what was under way is stored or dead from now on, and nobody is answered.
  void crash();
  // No more failures; what nobody knew comes out.
  void heal();
  [[nodiscard]] bool is_idle() const { return calls_.empty() && limbo_.empty(); }
  // Whether a unit of the stream may still be stored, although its outcome was reported.
  [[nodiscard]] bool is_in_limbo(const sync::StreamName& stream) const;

  // What is stored.
  [[nodiscard]] const sync::testing::StoredRows& rows_of(const sync::StreamName& stream) {
    sync::testing::StoredRows& rows = rows_[{stream.user_id, stream.app_id}];
    rows.scan_rows_max = static_cast<size_t>(knobs_.scan_rows);
    return rows;
  }
  // The same rows behind healthy connections.
  void copy_rows_from(const SimStore& other) { rows_ = other.rows_; }

 private:
  using Rows = std::vector<sync::testing::StoredRow>;
  struct Commit {
    const sync::CommitUnit* unit;
    sync::CommitCallback done;
  };
  struct PageRead {
    sync::PageQuery query;
    sync::PageCallback done;
    Rows found{};
    sync::Page page{};  // without its rows
  };
  struct Load {
    std::move_only_function<void(std::span<const sync::ChangeRow>)> on_chunk;
    std::move_only_function<void(Result<void>)> done;
    Rows found{};
  };
  struct Question {
    sync::LookupQuery query;
    sync::LookupCallback done;
    std::vector<std::optional<sync::StoredCell>> cells{};
    Rows inserts{};
  };
  struct Call {
    sync::StreamName stream;
    std::variant<Commit, PageRead, Load, Question> what;
    int64_t deadline_ns = 0;
    bool happened = false;
  };
  // Reported as kUnknown, and not yet decided.
  struct Limbo {
    sync::StreamName stream;
    Rows rows;
  };

  void submit(sync::StreamName stream, std::variant<Commit, PageRead, Load, Question> what);
  [[nodiscard]] bool may_advance(const Call& call) const;
  void finish(size_t call, bool failed);
  void happen(Call& call);
  void finish_commit(Call& call, Commit& commit, bool failed);
  void tell(Commit& commit, sync::CommitOutcome outcome, std::string_view reason);
  void answer(PageRead& read, bool failed);
  void answer(Load& load, bool failed);
  void answer(Question& question, bool failed);
  void decide(size_t limbo);
  void store(const sync::StreamName& stream, const Rows& rows);
  [[nodiscard]] bool per_mille(int64_t knob) {
    return healthy_ ? false : dice_.between(0, 999) < knob;
  }

  const Knobs& knobs_;
  const Clock& clock_;
  Dice& dice_;
  Journal& journal_;
  std::map<std::pair<std::string, std::string>, sync::testing::StoredRows> rows_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Limbo> limbo_;
  bool healthy_ = false;
  OutcomeWatcher outcome_watcher_;
};

}  // namespace mana_sync::sim
