// `POST /sync/{appId}`, `GET /sync/{appId}/pull` and `…/stream` (PROTOCOL §2, §3, §7): from a
// request to what the engine takes.
#pragma once

#include <string>

#include "mana_sync/http/message.h"
#include "mana_sync/sync/engine.h"

namespace mana_sync::server {

// kInvalid: a client id that PROTOCOL 2.10 does not allow. Moves the body out of `request`.
[[nodiscard]] Result<sync::PushRequest> read_push(http::Request& request, SharedText user_id,
                                                  std::string app_id);

// kInvalid: PROTOCOL 3.4, or a client id as above.
[[nodiscard]] Result<sync::PullRequest> read_pull(const http::Request& request, SharedText user_id,
                                                  std::string app_id);

// The first page of what a follower wants. kInvalid: names of tables, or a client id, as above.
[[nodiscard]] Result<sync::PullRequest> read_follow(const http::Request& request,
                                                    SharedText user_id, std::string app_id);

}  // namespace mana_sync::server
