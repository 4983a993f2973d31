// Scenarios of requests: how many, how fast, and whether what is answered is right.
#pragma once

#include <memory>
#include <string>

#include "change_maker.h"
#include "driver.h"
#include "scenario.h"

namespace mana_sync::loadgen {

// GET /health over kept connections.
[[nodiscard]] std::unique_ptr<Scenario> make_health(RunContext& run, const DriverOptions& options);

// Users with devices that push, pull and ask for the health, each with a cursor of its own. In the
// end every change that was acknowledged must have reached every other device of its user, once,
// and a reader that begins at the beginning. So must those that follow over server-sent events,
// whose connections are cut now and then.
struct SyncOptions {
  DriverOptions driver = {};  // `workers` is not used
  size_t devices_per_user = 2;
  // Shared by the devices, which take turns, so that there can be many more of them; 0: each has a
  // connection of its own.
  size_t connections = 0;
  int pushes = 60;        // of a hundred requests
  int pulls = 25;         // likewise; the rest ask for the health
  size_t pull_limit = 0;  // changes of a page; 0: the server's own limit
  size_t followers_per_user = 0;
  double cuts_per_s = 0;  // of any follower
  PushShape shape = {};
  std::string table = "todos";
};
[[nodiscard]] std::unique_ptr<Scenario> make_sync(RunContext& run, const SyncOptions& options);

// Clients that pull from one cursor, over and over: each user's stream is filled first. Each page
// must begin right behind the cursor and leave nothing out.
struct PullOptions {
  DriverOptions driver = {};
  size_t older = 0;    // changes of each user before the cursor, at least
  size_t behind = 20;  // and after it
  size_t limit = 0;    // changes of a page; 0: the server's own limit
  PushShape shape = {.updates = 0, .deletes = 0};  // of the changes; `changes` is not used
  std::string table = "todos";
};
[[nodiscard]] std::unique_ptr<Scenario> make_pull(RunContext& run, const PullOptions& options);

}  // namespace mana_sync::loadgen
