#include "mana_sync/net/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "mana_sync/net/fd_watch.h"

namespace mana_sync::net {
namespace {

class SignalsImpl final : public Signals {
 public:
  SignalsImpl(Loop& loop, int fd, std::function<void(int)> on_signal)
      : fd_(fd), on_signal_(std::move(on_signal)), watch_(loop, [this](short) { take_one(); }) {
    watch_.arm(fd_, POLLIN);
  }
  ~SignalsImpl() override {
    watch_.disarm();
    ::close(fd_);
  }

 private:
  void take_one() {
    signalfd_siginfo info;
    const ssize_t bytes = ::read(fd_, &info, sizeof(info));
    // Others that are pending complete the new poll at once. Armed before the call, which may
    // destroy this.
    watch_.arm(fd_, POLLIN);
    if (bytes == sizeof(info)) {
      const auto on_signal = on_signal_;
      on_signal(static_cast<int>(info.ssi_signo));
    }
  }

  const int fd_;
  const std::function<void(int)> on_signal_;
  FdWatch watch_;
};

Error failed(const char* call, int error) {
  return {ErrorCode::kIo, std::string(call) + ": " + std::generic_category().message(error)};
}

}  // namespace

Result<std::unique_ptr<Signals>> Signals::watch(Loop& loop, std::initializer_list<int> signals,
                                                std::function<void(int)> on_signal) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return std::unexpected(failed("pthread_sigmask", error));
  }
  const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) return std::unexpected(failed("signalfd", errno));
  return std::make_unique<SignalsImpl>(loop, fd, std::move(on_signal));
}

}  // namespace mana_sync::net
