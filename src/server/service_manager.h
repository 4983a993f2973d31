// What the process tells the service manager that started it (sd_notify(3)).
#pragma once

#include <string_view>

namespace mana_sync::server {

// Sends `state`, such as `READY=1`, to the socket that NOTIFY_SOCKET names. Does nothing where it
// is not set, and fails without a word: a server serves with or without somebody to tell.
void tell_service_manager(std::string_view state);

}  // namespace mana_sync::server
