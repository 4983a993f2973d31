// What the engine and the authenticator say, as HTTP answers.
#pragma once

#include "mana_sync/base/gathered_text.h"
#include "mana_sync/base/result.h"
#include "mana_sync/http/message.h"

namespace mana_sync::server {

// The status of an error: kInvalid 400, kUnauthorized 401, kTooLarge 413, kUnavailable 503, else
// 500.
[[nodiscard]] http::Response answer_of(const Error& error);

// 200 with the body, or the error.
[[nodiscard]] http::Response answer_of(Result<GatheredText> body);

}  // namespace mana_sync::server
