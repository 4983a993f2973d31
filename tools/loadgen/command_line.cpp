#include "command_line.h"

#include <CLI/CLI.hpp>
#include <map>

namespace mana_sync::loadgen {
namespace {

void add_idle(CLI::App& app, CommandLine& line) {
  CLI::App* const command =
      app.add_subcommand("idle", "Open WebSockets, authenticate, and hold them");
  IdleOptions& options = line.idle;
  command->add_option("--sockets", options.sockets)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--open-rate", options.opened_per_s, "Opened a second")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--storm", line.opens_at_once, "Open all at once");
  command->add_option("--seconds", options.hold_s, "How long they are held")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([&line] {
    if (line.opens_at_once) line.idle.opened_per_s = 0;
    line.make = [&line](RunContext& means) { return make_idle(means, line.idle); };
  });
}

void add_notify_options(CLI::App& command, CommandLine& line, NotifyOptions& options) {
  command.add_option("--rate", options.pushes_per_s, "Pushes a second, of all users")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--seconds", options.seconds, "How long is pushed")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--listeners", options.listeners_per_user, "Of each user")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--sse", line.listens_to_events, "Server-sent events in place of WebSockets");
}

void add_notify(CLI::App& app, CommandLine& line, const char* name, const char* what,
                NotifyOptions& options) {
  CLI::App* const command = app.add_subcommand(name, what);
  add_notify_options(*command, line, options);
  command->callback([&line, &options] {
    if (line.listens_to_events) options.kind = Listener::Kind::kServerSentEvents;
    if (line.common.users > 0) options.users = line.common.users;
    line.common.users = options.users;
    line.make = [&options](RunContext& means) { return make_notify(means, options); };
  });
}

void add_storm(CLI::App& app, CommandLine& line) {
  CLI::App* const command = app.add_subcommand(
      "storm", "Cut all WebSockets at once and let them come back, while asking for /health");
  StormOptions& options = line.storm;
  command->add_option("--sockets", options.sockets)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--open-rate", options.opened_per_s, "Opened a second, before the storm")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--probe-interval", options.probe_interval_ms, "Milliseconds")
      ->check(CLI::Range(0.1, 1'000.0))
      ->capture_default_str();
  command->callback([&line] {
    line.make = [&line](RunContext& means) { return make_storm(means, line.storm); };
  });
}

void add_driver_options(CLI::App& command, DriverOptions& options) {
  command.add_option("--seconds", options.seconds, "How long requests are sent")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--rate", options.requests_per_s,
                  "Requests a second, due whatever becomes of those before them; 0: each "
                  "connection sends its next one when the last was answered")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void add_health(CLI::App& app, CommandLine& line) {
  CLI::App* const command = app.add_subcommand("health", "Ask for /health; needs no tokens");
  DriverOptions& options = line.health;
  add_driver_options(*command, options);
  command->add_option("--connections", options.workers)
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--pipelined", options.pipelined, "Requests under way on each connection")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  command->callback([&line] {
    line.needs_tokens = false;
    line.make = [&line](RunContext& means) { return make_health(means, line.health); };
  });
}

void add_push_options(CLI::App& command, PushShape& shape) {
  const auto percent = CLI::Range(0, 100);
  command.add_option("--changes", shape.changes, "Of each push")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command.add_option("--fields", shape.fields, "Of each insert and update, beside a number")
      ->check(CLI::Range(0, 1'000))
      ->capture_default_str();
  command.add_option("--field-bytes", shape.field_bytes, "Of each field's value")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command.add_option("--updates", shape.updates, "Of a hundred changes")
      ->check(percent)
      ->capture_default_str();
  command.add_option("--deletes", shape.deletes, "Of a hundred changes; the rest are inserts")
      ->check(percent)
      ->capture_default_str();
  command
      .add_option("--conflicts", shape.conflicts,
                  "Of a hundred changes: edits of records that all of the user's devices edit")
      ->check(percent)
      ->capture_default_str();
  const std::map<std::string, EditTime> names{
      {"updatedAt", EditTime::kUpdatedAt}, {"at", EditTime::kAt}, {"both", EditTime::kBoth}};
  command.add_option("--edit-time", shape.edit_time, "How a field's edit time is named")
      ->transform(CLI::CheckedTransformer(names));
}

CLI::App* add_sync(CLI::App& app, CommandLine& line, const char* name, const char* what,
                   SyncOptions& options) {
  CLI::App* const command = app.add_subcommand(name, what);
  add_driver_options(*command, options.driver);
  add_push_options(*command, options.shape);
  command->add_option("--devices", options.devices_per_user, "That push, of each user")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--connections", options.connections,
                   "That the devices share, taking turns; 0: one for each")
      ->capture_default_str();
  command->callback([&line, &options] {
    line.make = [&options](RunContext& means) { return make_sync(means, options); };
  });
  return command;
}

void add_mixed(CLI::App& app, CommandLine& line) {
  CLI::App* const command =
      add_sync(app, line, "mixed", "60 % pushes, 25 % pulls and 15 % health", line.mixed);
  command->add_option("--limit", line.mixed.pull_limit, "Changes of a pulled page; 0: the server's")
      ->capture_default_str();
}

void add_follow(CLI::App& app, CommandLine& line) {
  line.follow.driver.requests_per_s = 100;
  CLI::App* const command = add_sync(app, line, "follow",
                                     "Devices that push, and others that follow them over "
                                     "server-sent events",
                                     line.follow);
  command->add_option("--followers", line.follow.followers_per_user, "Of each user")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--cuts", line.follow.cuts_per_s,
                   "Followers a second whose connection is cut, and that go on behind their last "
                   "event")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void add_pull(CLI::App& app, CommandLine& line) {
  CLI::App* const command =
      app.add_subcommand("pull", "Fill each user's stream, then pull its end over and over");
  PullOptions& options = line.pull;
  add_driver_options(*command, options.driver);
  command->add_option("--connections", options.driver.workers, "Spread over the users")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--behind", options.behind, "Changes after the cursor that is pulled from")
      ->capture_default_str();
  command->add_option("--older", options.older, "Changes before it, of each user")
      ->capture_default_str();
  command->add_option("--limit", options.limit, "Changes of a page; 0: the server's")
      ->capture_default_str();
  command->add_option("--fields", options.shape.fields, "Of each change, beside a number")
      ->check(CLI::Range(0, 1'000))
      ->capture_default_str();
  command->add_option("--field-bytes", options.shape.field_bytes, "Of each field's value")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->callback(
      [&line] { line.make = [&line](RunContext& means) { return make_pull(means, line.pull); }; });
}

}  // namespace

std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line) {
  CLI::App app("Drives a mana-sync server over its public protocol, and checks what it answers.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--url", line.common.url, "The server")->capture_default_str();
  app.add_option("--tokens", line.common.tokens_path,
                 "File of tokens, one a line, of one user each");
  app.add_option("--users", line.common.users, "How many of the tokens are used");
  app.add_option("--app", line.common.app, "appId; a new one if not given");
  app.add_option("--server-pid", line.common.server_pid,
                 "The server's process, whose memory and CPU time are told");
  app.add_option("--phase-timeout", line.common.phase_timeout_s,
                 "Seconds that a part of a scenario may take beyond its own time")
      ->check(CLI::Range(1, 3'600))
      ->capture_default_str();
  app.add_option("--json", line.common.json_path, "Write the report there, too");
  app.add_option("--compare", line.common.compare_path,
                 "An earlier run's --json, to whose figures the ratios are told");
  app.add_option("--save-plot", line.common.plot_path, "Write a picture (SVG) there");
  add_idle(app, line);
  add_notify(app, line, "notify", "One user's listeners, and how soon they hear of each push",
             line.notify);
  add_notify(app, line, "users", "Many users' listeners, and how soon they hear of their pushes",
             line.users);
  add_storm(app, line);
  add_health(app, line);
  add_pull(app, line);
  add_sync(app, line, "push", "Devices that push, and take what the others pushed", line.push);
  add_mixed(app, line);
  add_follow(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  line.scenario = app.get_subcommands().front()->get_name();
  return std::nullopt;
}

}  // namespace mana_sync::loadgen
