#include "process_stats.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace mana_sync::loadgen {
namespace {

constexpr int64_t kBytesPerKiB = 1024;
// proc(5): utime is the 14th field of stat, the 12th behind the name, which may hold spaces.
constexpr int kFieldsBeforeUserTime = 11;

}  // namespace

Result<ProcessStats> ProcessStats::of(int pid) {
  ProcessStats stats;
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string key; status >> key;) {
    if (key == "VmRSS:") status >> stats.resident_bytes;
    if (key == "RssAnon:") status >> stats.anonymous_bytes;
  }
  stats.resident_bytes *= kBytesPerKiB;
  stats.anonymous_bytes *= kBytesPerKiB;

  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(stat, line);
  if (line.empty() || stats.resident_bytes == 0) {
    return fail(ErrorCode::kIo, fmt::format("/proc/{} cannot be read", pid));
  }
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeUserTime; ++i) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  stats.cpu_s = static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return stats;
}

}  // namespace mana_sync::loadgen
