// Many listeners, opened at a bounded rate or all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "listener.h"
#include "scenario.h"

namespace mana_sync::loadgen {

class FleetEvents {
 public:
  virtual ~FleetEvents() = default;
  // Each listener is ready, or was given up.
  virtual void on_all_decided() = 0;
  virtual void on_tables(size_t, std::span<const std::string_view>) {}
  // One that was ready has ended by itself; it is not opened again.
  virtual void on_lost(size_t listener, std::string_view reason) = 0;
};

struct FleetOptions {
  size_t listeners = 0;
  Listener::Kind kind = Listener::Kind::kWebSocket;
  // How often one that could not be opened is tried again, kRetryMs later.
  int retries_max = 0;
};

// Listener i belongs to user i modulo the users. One thread; destroyed before the run.
class Fleet final : private ListenerEvents {
 public:
  static constexpr int64_t kRetryMs = 50;

  // `run` and `events` must outlive the fleet.
  Fleet(RunContext& run, FleetOptions options, FleetEvents& events);
  ~Fleet() override;

  // Opens all, that many a second; 0: all at once. REQUIRES: none is open.
  void open(double opened_per_s = 0);
  // How many seconds that takes, where nothing fails.
  [[nodiscard]] double opening_s(double opened_per_s) const;
  // Cuts all connections at once.
  void cut();

  [[nodiscard]] size_t size() const { return listeners_.size(); }
  [[nodiscard]] size_t ready() const { return ready_; }
  [[nodiscard]] size_t given_up() const { return given_up_; }
  [[nodiscard]] uint64_t retries() const { return retries_; }
  // Since open(): when all were decided; 0: not yet.
  [[nodiscard]] int64_t opening_ns() const { return opening_ns_; }
  // From each listener's opening to its authentication.
  [[nodiscard]] const Histogram& ready_after() const { return ready_after_; }

 private:
  enum class State : uint8_t { kClosed, kOpening, kReady, kLost };
  struct Member {
    std::unique_ptr<Listener> listener;
    State state = State::kClosed;
    int retries = 0;
    int64_t opened_ns = 0;
  };

  void open_due();
  void open_one(size_t listener);
  void decide();

  void on_ready(size_t listener) override;
  void on_tables(size_t listener, std::span<const std::string_view> tables) override;
  void on_ended(size_t listener, std::string_view reason) override;

  RunContext& run_;
  const FleetOptions options_;
  FleetEvents& events_;
  std::vector<Member> listeners_;
  std::vector<size_t> to_retry_;
  net::TimerId open_timer_;
  net::TimerId retry_timer_;
  double opened_per_s_ = 0;
  int64_t begun_ns_ = 0;
  size_t opened_ = 0;
  size_t ready_ = 0;
  size_t given_up_ = 0;
  uint64_t retries_ = 0;
  int64_t opening_ns_ = 0;
  Histogram ready_after_;
};

}  // namespace mana_sync::loadgen
