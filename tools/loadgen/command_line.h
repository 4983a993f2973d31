// What the command line asks for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "load_scenarios.h"
#include "realtime_scenarios.h"
#include "scenario.h"

namespace mana_sync::loadgen {

using MakeScenario = std::function<std::unique_ptr<Scenario>(RunContext&)>;

// Stays where it is once it is parsed: `make` refers to the options.
struct CommandLine {
  CommonOptions common;
  IdleOptions idle;
  NotifyOptions notify;
  NotifyOptions users{.users = 100, .listeners_per_user = 1, .pushes_per_s = 100};
  StormOptions storm;
  DriverOptions health;
  SyncOptions push{.pushes = 100, .pulls = 0};
  SyncOptions mixed;
  SyncOptions follow{
      .devices_per_user = 1, .pushes = 100, .pulls = 0, .followers_per_user = 2, .cuts_per_s = 1};
  PullOptions pull;
  bool needs_tokens = true;
  bool opens_at_once = false;
  bool listens_to_events = false;
  // Of the command that was given.
  std::string scenario;
  MakeScenario make;
};

// Fills `line`. The exit status, if the program is to end here: after --help, or a mistake, of
// which the user has been told.
[[nodiscard]] std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line);

}  // namespace mana_sync::loadgen
