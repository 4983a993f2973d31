// mana-sync: reads the environment, starts the server, and says by its exit code how it ended:
// 0 stopped by a signal or asked for help, 1 could not start, 2 wrong use or configuration, 3 out
// of memory.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "mana_sync/base/clock.h"
#include "mana_sync/base/log.h"
#include "mana_sync/base/out_of_memory.h"
#include "mana_sync/server/app.h"
#include "mana_sync/server/config.h"

#ifdef MANA_SYNC_HAS_MIMALLOC
#include <mimalloc.h>
#endif

namespace {

using namespace mana_sync;

constexpr int kExitFailed = 1;
constexpr int kExitWrongUse = 2;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

// Each client connection needs a descriptor: takes as many as the system gives.
void raise_descriptor_limit(size_t connections_max, Logger& log) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < connections_max) {
    log.warn("descriptors_short", {{"limit", static_cast<int64_t>(limit.rlim_max)},
                                   {"connections_max", connections_max}});
  }
}

void watch_memory() {
  end_when_out_of_memory();
#ifdef MANA_SYNC_HAS_MIMALLOC
  // mimalloc 2.0 has std::get_new_handler() of its own, which knows no handler: it would abort.
  mi_register_error(
      [](int error, void*) {
        if (error == ENOMEM) end_out_of_memory();
      },
      nullptr);
#endif
}

// Memory holds passwords, tokens and what users wrote. That of a crash would stay on a disk.
void forbid_core_dumps() {
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);
}

int serve(const server::Config& config) {
  if (!config.core_dumps) forbid_core_dumps();
  const SystemClock clock;
  Logger log(config.log_level, clock);
  raise_descriptor_limit(config.connections_max, log);
  auto app = server::App::start(config, clock, log);
  if (!app) {
    std::fprintf(stderr, "mana-sync: %s\n", app.error().message.c_str());
    return app.error().code == ErrorCode::kInvalid ? kExitWrongUse : kExitFailed;
  }
  (*app)->run();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  watch_memory();
  CLI::App arguments("mana-sync: the sync server for local-first apps");
  arguments.footer(server::describe_variables());
  arguments.set_version_flag("--version", "mana-sync " MANA_SYNC_VERSION);
  bool check_only = false;
  arguments.add_flag("--check-config", check_only, "Check the configuration, print it and exit");
  try {
    arguments.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return arguments.exit(error) == 0 ? EXIT_SUCCESS : kExitWrongUse;
  }

  const auto config = server::read_config(environment);
  if (!config) {
    std::fprintf(stderr, "mana-sync: %s\n", config.error().message.c_str());
    return kExitWrongUse;
  }
  if (check_only) {
    std::fputs(server::describe_settings(environment).c_str(), stdout);
    return EXIT_SUCCESS;
  }
  return serve(*config);
}
