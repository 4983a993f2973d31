// The body of a push (PROTOCOL §2): nothing is taken that is not JSON; what is taken is merged,
// sent on, and means the same to a server that is pushed what this one sends.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "change_format.h"
#include "fuzz.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/json_text.h"
#include "mana_sync/sync/merge.h"
#include "strict_json.h"

namespace mana_sync::fuzz {
namespace {

constexpr int64_t kBeginUs = 1'704'110'400'000'000;  // 2024-01-01T12:00:00Z
constexpr int64_t kDayUs = 86'400'000'000;
constexpr size_t kUuidBytes = 36;

// One stream that starts empty, at a time of its own.
class World {
 public:
  explicit World(int64_t begin_us) : clock_(begin_us) { stamps_.grant(0, begin_us + kDayUs); }

  // The rows that `changeset` becomes, each as the server sends it but for its id.
  std::vector<std::string> push(const sync::Changeset& changeset) {
    sync::CellOverlay overlay(cells_);
    // Nothing is stored yet: there is nothing to ask a store for.
    MANA_CHECK(sync::find_unknowns(changeset, overlay).empty());
    MANA_CHECK(stamps_.reserve(changeset.changes.size()));
    const sync::Merged merged = sync::merge(changeset, {}, overlay, stamps_, ids_,
                                            {.clock_skew_ms_max = 300'000}, {clamped_});
    MANA_CHECK(merged.rows.size() <= changeset.changes.size());
    std::vector<std::string> sent;
    int64_t stamp_us = 0;
    for (const sync::ChangeRow& row : merged.rows) {
      MANA_CHECK(std::exchange(stamp_us, row.stamp_us) < row.stamp_us);
      sync::append_change(sent.emplace_back(), row);
      MANA_CHECK(sync::testing::StrictJson::accepts(sent.back()));
      sent.back().erase(std::string_view("{\"eventId\":\"").size(), kUuidBytes);
    }
    std::move(overlay).apply_to(cells_);
    return sent;
  }

  // Each cell has the same winner, with the same edit time.
  void expect_winners_of(const World& other) const {
    MANA_CHECK(cells_.size() == other.cells_.size());
    cells_.for_each([&](const sync::CellKey& key, const sync::Cell& cell) {
      const std::optional<sync::Cell> found = other.cells_.find(key);
      MANA_CHECK(found && found->time_ms == cell.time_ms && found->client == cell.client);
      // 0: not known, of times that the server itself put into an insert.
      if (found->value_hash != 0 && cell.value_hash != 0) {
        MANA_CHECK(found->value_hash == cell.value_hash);
      }
    });
  }

 private:
  ManualClock clock_;
  sync::Stamps stamps_{clock_};
  sync::CellTable cells_;
  UuidGenerator ids_{1};
  Counter clamped_;
};

std::string body_of(std::string_view client_id, const std::vector<std::string>& changes) {
  std::string body = "{\"clientId\":";
  append_json_string(body, client_id);
  body += ",\"changes\":[";
  for (const std::string& change : changes) {
    if (&change != &changes.front()) body += ',';
    body += change;
  }
  return body + "]}";
}

// What becomes of changes that a server has sent, when their client pushes them to another.
std::vector<std::string> push_on(World& world, sync::ChangesetReader& reader,
                                 const sync::Changeset& first,
                                 const std::vector<std::string>& sent) {
  std::string body = body_of(first.client_id, sent);
  const auto changeset = reader.read(body);
  MANA_CHECK(changeset.has_value());
  return world.push(*changeset);
}

}  // namespace
}  // namespace mana_sync::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mana_sync;
  static Counter sanitized;
  static sync::ChangesetReader reader(sanitized);
  std::string body(fuzz::text_of(data, size));
  const bool is_json = sync::testing::StrictJson::accepts(body);
  const auto changeset = reader.read(body);
  if (!changeset) {
    MANA_CHECK(changeset.error().code == ErrorCode::kInvalid && !changeset.error().message.empty());
    return 0;
  }
  MANA_CHECK(is_json);
  fuzz::World world(fuzz::kBeginUs);
  const std::vector<std::string> sent = world.push(*changeset);
  // Days later, so that no time is ahead or that of the receipt.
  fuzz::World second(fuzz::kBeginUs + fuzz::kDayUs);
  const std::vector<std::string> sent_on = fuzz::push_on(second, reader, *changeset, sent);
  second.expect_winners_of(world);
  fuzz::World third(fuzz::kBeginUs + 2 * fuzz::kDayUs);
  MANA_CHECK(fuzz::push_on(third, reader, *changeset, sent_on) == sent_on);
  third.expect_winners_of(second);
  return 0;
}
