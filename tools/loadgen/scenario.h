// What a run is made of: the means that all scenarios share, and a scenario's life.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mana_sync/base/result.h"
#include "network.h"
#include "process_stats.h"
#include "report.h"

namespace simdjson::dom {
class parser;
}

namespace mana_sync::loadgen {

// What each scenario's command line may say.
struct CommonOptions {
  std::string url = "http://127.0.0.1:3050";
  std::string tokens_path = {};
  size_t users = 0;      // how many of the tokens are used; 0: all
  std::string app = {};  // empty: one that no other run has
  int server_pid = 0;    // 0: not told
  int64_t phase_timeout_s = 60;
  std::string json_path = {};
  std::string compare_path = {};
  std::string plot_path = {};
};

struct RunContext {
  Network& network;
  Report& report;
  const CommonOptions options;
  const std::vector<std::string> tokens;  // one for each user
  simdjson::dom::parser& json;            // for what the server sends; each use ends the one before
};

// The tokens of a file, one a line. Fails (kIo, kInvalid) where it cannot be read, holds none, or
// fewer than `count` (0: all that are there).
[[nodiscard]] Result<std::vector<std::string>> read_tokens(const std::string& path, size_t count);

// Of the server; nothing where its process was not named. A failure to read it fails the run.
[[nodiscard]] ProcessStats server_stats(const RunContext& run);

// One thread; runs on the network's loop.
class Scenario {
 public:
  explicit Scenario(RunContext& run) : run_(run) {}
  virtual ~Scenario();
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;

  // Begins; the loop is stopped when the scenario has ended, which takes a bounded time.
  virtual void start() = 0;
  // What was found, be the scenario at its end or not.
  virtual void write_report() = 0;

 protected:
  [[nodiscard]] RunContext& run() { return run_; }
  [[nodiscard]] net::Loop& loop() { return run_.network.loop(); }
  [[nodiscard]] int64_t now_ns() const { return run_.network.now_ns(); }
  // A part of the scenario begins that waits for something. If no other one has begun within the
  // phase timeout, or `seconds` beyond it, the scenario fails: `what` took too long.
  void begin_phase(std::string_view what, double seconds = 0);
  // Calls `next` when `seconds` have passed, if the scenario is still there.
  void after(double seconds, net::Loop::Callback next);
  void finish() { loop().stop(); }

 private:
  RunContext& run_;
  net::TimerId phase_timer_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace mana_sync::loadgen
