// Every 200 that the server gave, whether it reached its device or not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "edits.h"
#include "wire.h"

namespace mana_sync::sim {

// A request as the server saw it.
struct AnsweredRequest {
  size_t stream = 0;
  bool is_push = false;
  int64_t since_us = 0;
  std::vector<std::string> tables;            // empty: all
  std::optional<std::string> exclude_client;  // a push: its own
  size_t changes_max = 0;                     // a pull
  std::vector<size_t> edits;                  // a push; of the log
  // The newest stamp of the stream that somebody had been told of when it arrived.
  int64_t acknowledged_us = 0;
  // The server's last stamp when it arrived, and when it was answered.
  int64_t arrived_after_us = 0;
  int64_t answered_at_us = 0;
  int64_t high_water_us = 0;  // of the lease when it arrived
};

struct LoggedAnswer {
  AnsweredRequest request;
  WireAnswer answer;
};

using AnswerLog = std::vector<LoggedAnswer>;

}  // namespace mana_sync::sim
