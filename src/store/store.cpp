#include "mana_sync/store/store.h"

#include <fmt/format.h>

#include <utility>

#include "group_commit.h"
#include "lease.h"
#include "mana_sync/base/check.h"
#include "read_queue.h"
#include "reader.h"

namespace mana_sync::store {
namespace {

class PgStore final : public Store {
 public:
  PgStore(net::Loop& loop, StoreEvents& events, const StoreOptions& options)
      : loop_(loop),
        events_(events),
        lease_(loop, options.database_url,
               {.on_grant = [this](int64_t floor_us,
                                   int64_t high_water_us) { on_grant(floor_us, high_water_us); },
                .on_lost = [this] { enter(StoreState::kConnecting); },
                .on_change = [this] { update_state(); }}),
        commits_(loop, lease_, options.database_url, options.write_connections,
                 {.on_change = [this] { update_state(); },
                  .on_unknown = [this](const auto& streams) { on_unknown(streams); }}),
        reads_(loop, options.database_url, options.read_connections, [this] { update_state(); }),
        reader_(reads_),
        database_up_(loop.metrics().gauge("mana_sync_database_up",
                                          "1 while PostgreSQL can be reached, else 0.")) {}

  void open() {
    // The loop keeps the function for good, so it must outlive the store.
    loop_.at_tick_end(net::TickPhase::kGroupCommit, [alive = std::weak_ptr(alive_), this] {
      if (!alive.expired()) commits_.flush();
    });
    lease_.open();
  }

  void commit(const sync::CommitUnit& unit, sync::CommitCallback done) override {
    commits_.commit(unit, std::move(done));
  }
  void read_page(sync::PageQuery query, sync::PageCallback done) override {
    reader_.read_page(std::move(query), std::move(done));
  }
  void load_stream(sync::StreamName stream, Reader::OnChunk on_chunk,
                   Reader::LoadDone done) override {
    reader_.load_stream(std::move(stream), std::move(on_chunk), std::move(done));
  }
  void lookup(sync::LookupQuery query, sync::LookupCallback done) override {
    reader_.lookup(std::move(query), std::move(done));
  }

  void note_stamp(int64_t last_us) override { lease_.note_stamp(last_us); }
  [[nodiscard]] StoreState state() const override { return state_; }
  [[nodiscard]] size_t pending() const override { return commits_.pending() + reads_.pending(); }

  void close(int64_t last_us, std::function<void()> done) override {
    is_closing_ = true;
    commits_.close();
    reads_.close();
    lease_.close(last_us, std::move(done));
  }

 private:
  void on_grant(int64_t floor_us, int64_t high_water_us) {
    // Before the first grant the schema may not stand yet.
    if (!std::exchange(is_open_, true)) {
      commits_.open();
      reads_.open();
    }
    events_.on_lease(floor_us, high_water_us);
  }

  // What these streams read next must show whether their batches were stored.
  void on_unknown(const std::vector<sync::StreamName>& streams) {
    reads_.hold(streams);
    lease_.fence([this, streams] { reads_.release(streams); });
  }

  void update_state() {
    database_up_.set(lease_.is_connected() ? 1 : 0);
    if (lease_.is_held() && commits_.is_up() && reads_.is_up()) return enter(StoreState::kReady);
    if (lease_.is_standby()) return enter(StoreState::kStandby);
    if (state_ == StoreState::kReady) enter(StoreState::kDown);
  }

  void enter(StoreState state) {
    if (is_closing_ || state_ == state) return;
    state_ = state;
    static constexpr const char* kNames[] = {"connecting", "standby", "ready", "down"};
    loop_.log().info("store_state", {{"state", kNames[static_cast<size_t>(state)]}});
    events_.on_store_state(state);
    // Clients go to the other process: none is to wait for this one.
    reads_.set_refusing(state == StoreState::kStandby);
  }

  net::Loop& loop_;
  StoreEvents& events_;
  StoreState state_ = StoreState::kConnecting;
  bool is_open_ = false;
  bool is_closing_ = false;
  Lease lease_;
  GroupCommit commits_;
  ReadQueue reads_;
  Reader reader_;
  Gauge& database_up_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(net::Loop& loop, StoreEvents& events,
                                           StoreOptions options) {
  MANA_CHECK(options.write_connections >= 1 && options.read_connections >= 1);
  if (const auto error = database_url_error(options.database_url)) {
    return fail(ErrorCode::kInvalid, fmt::format("the database's URL: {}", *error));
  }
  auto store = std::make_unique<PgStore>(loop, events, options);
  store->open();
  return store;
}

}  // namespace mana_sync::store
