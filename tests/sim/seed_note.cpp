#include "seed_note.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

namespace mana_sync::sim {
namespace {

volatile uint64_t current_seed = 0;

// Async-signal-safe.
void print_seed(int signal) {
  char line[] = "simulator: died in seed                     \n";
  char* digit = line + sizeof line - 3;
  for (uint64_t rest = current_seed; digit > line; rest /= 10) {
    *digit-- = static_cast<char>('0' + rest % 10);
    if (rest < 10) break;
  }
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, sizeof line - 1);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void note_seed(uint64_t seed) {
  static const bool installed = [] {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(signal, print_seed);
    return true;
  }();
  (void)installed;
  current_seed = seed;
}

}  // namespace mana_sync::sim
