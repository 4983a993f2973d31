#include <fmt/format.h>

#include <map>

#include "checks.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/timestamp.h"
#include "wire.h"

namespace mana_sync::sim {
namespace {

constexpr std::string_view kProbeClient = "probe";
constexpr std::string_view kProbeValue = "\"probe\"";
constexpr int64_t kPauseUs = 5'000;
constexpr int kRoundsMax = 1'000;

// An edit whose fate tells what the engine knows of a cell's winner.
enum class Kind {
  kTieOfAnother,  // lost: 5.2
  kOwnTie,        // stored: 5.2
  kRepeat,        // not stored: 5.3
  kOwnEarlier,    // stored only over a receipt-timed winner: 5.8
  kLater,         // stored: 5.2
};

struct Probe {
  CellId cell;
  Kind kind;
  const CellEntry* winner;

  [[nodiscard]] std::string client_id() const {
    const bool of_another = kind == Kind::kTieOfAnother || kind == Kind::kLater;
    return of_another ? std::string(kProbeClient) : winner->client_id;
  }
  [[nodiscard]] std::string json() const {
    const int64_t offset = kind == Kind::kLater ? 1 : kind == Kind::kOwnEarlier ? -1 : 0;
    const std::string_view value = kind == Kind::kRepeat ? winner->value : kProbeValue;
    return fmt::format(
        R"({{"table":"{}","id":"{}","op":"update","fields":{{"{}":{{"value":{},"at":{}}}}}}})",
        cell.table, cell.record, cell.field, value, quoted_time(winner->time_ms + offset));
  }
  [[nodiscard]] bool wins() const {
    return kind == Kind::kOwnTie || kind == Kind::kLater ||
           (kind == Kind::kOwnEarlier && winner->is_receipt_timed);
  }
};

// An engine, and what it did with a push.
class Subject {
 public:
  Subject(sync::Engine& engine, SimStore& store, const sync::StreamName& stream)
      : engine_(engine), store_(store), stream_(stream) {}

  // What it answered and stored, as text without row ids.
  std::string push(const std::string& body) {
    const size_t before = rows().size();
    std::string said = "no answer";
    engine_.push({.stream = stream_, .client_id = std::nullopt, .body = body},
                 [&](Result<GatheredText> result) { said = text_of(std::move(result)); });
    for (int round = 0; round < kRoundsMax; ++round) {
      engine_.run();
      store_.advance();
      if (said != "no answer" && store_.is_idle()) break;
    }
    for (size_t i = before; i < rows().size(); ++i) {
      const auto& row = rows()[i];
      said += fmt::format(" {} {} {}/{} {} {} {}", row.stamp_us, op_name(row.op), row.table,
                          row.record, row.client_id, row.data, row.field_timestamps);
    }
    return said;
  }
  [[nodiscard]] const sync::testing::StoredRows& rows() { return store_.rows_of(stream_); }

 private:
  static std::string text_of(Result<GatheredText> result) {
    if (!result) return result.error().message;
    std::string why;
    const auto answer = read_answer(result->str(), why);
    if (!answer) return why;
    std::string text = "answered";
    for (const SentChange& change : answer->changes) {
      text += fmt::format(" {}/{}", change.table, change.record);
      for (const SentField& field : change.fields) {
        text += fmt::format(" {}={}@{}", field.name, field.value, field.time_ms.value_or(0));
      }
    }
    for (const SentConflict& one : answer->conflicts) {
      text +=
          fmt::format(" conflict {}/{}.{} {}@{} {}@{}", one.table, one.record, one.field,
                      one.client_value, one.client_time_ms, one.server_value, one.server_time_ms);
    }
    return text;
  }

  sync::Engine& engine_;
  SimStore& store_;
  const sync::StreamName& stream_;
};

std::string body_of(const std::string& client_id, const std::vector<Probe>& probes,
                    int64_t since_us) {
  std::string body = fmt::format(R"({{"clientId":"{}","since":"{}","changes":[)", client_id,
                                 format_cursor_us(since_us));
  for (const Probe& probe : probes) {
    if (&probe != &probes.front()) body += ',';
    body += probe.json();
  }
  return body + "]}";
}

bool is_probe_stored(const Probe& probe, const sync::testing::StoredRows& rows, size_t begin) {
  for (size_t i = begin; i < rows.size(); ++i) {
    const auto& row = rows[i];
    if (row.client_id == probe.client_id() && row.table == probe.cell.table &&
        row.record == probe.cell.record &&
        row.field_timestamps.find('"' + probe.cell.field + '"') != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

void check_memory(const MemoryCheck& check) {
  const Reference reference(check.store.rows_of(check.stream), check.journal);
  std::map<std::string, std::vector<Probe>> by_client;
  for (const auto& [id, cell] : reference.cells()) {
    const Probe probe{id, static_cast<Kind>(check.dice.below(5)), &cell.winner()};
    by_client[probe.client_id()].push_back(probe);
  }

  const Knobs healthy;
  Dice dice(1);
  SimStore copy(healthy, check.clock, dice, check.journal);
  copy.copy_rows_from(check.store);
  Metrics metrics;
  sync::Engine fresh(
      {.cache_bytes_max = 1 << 20, .merge = {.clock_skew_ms_max = limits::kClockSkewMsDefault}},
      check.clock, copy, metrics);
  fresh.grant(check.engine.last_stamp_us(), check.high_water_us);

  Subject old_one(check.engine, check.store, check.stream);
  Subject new_one(fresh, copy, check.stream);
  for (const auto& [client_id, probes] : by_client) {
    check.clock.advance_us(kPauseUs);
    const std::string body = body_of(client_id, probes, check.engine.last_stamp_us());
    const size_t before = old_one.rows().size();
    const std::string by_old = old_one.push(body);
    const std::string by_new = new_one.push(body);
    if (by_old != by_new) {
      return check.journal.fail("memory differs from a fresh load: {}\n  memory: {}\n  fresh: {}",
                                body, by_old, by_new);
    }
    for (const Probe& probe : probes) {
      if (is_probe_stored(probe, old_one.rows(), before) == probe.wins()) continue;
      return check.journal.fail("5.2, 5.3, 5.8: against {} by {} at {} wrongly judged: {}",
                                probe.winner->value, probe.winner->client_id, probe.winner->time_ms,
                                probe.json());
    }
  }
}

}  // namespace mana_sync::sim
