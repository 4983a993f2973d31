// What the process has of the service manager that started it, and tells it (sd_listen_fds(3),
// sd_notify(3)).
#pragma once

#include <string_view>

#include "mana_sync/base/result.h"

namespace mana_sync::server {

// Sends `state`, such as `READY=1`, to the socket that NOTIFY_SOCKET names. Does nothing where it
// is not set, and fails without a word: a server serves with or without somebody to tell.
void tell_service_manager(std::string_view state);

// The descriptor of the socket that the manager listens on for this process, or -1: there is none.
// kInvalid where it holds several. Owned by the caller.
[[nodiscard]] Result<int> inherited_socket();

}  // namespace mana_sync::server
