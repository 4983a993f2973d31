// Errors are values: no exception crosses the loop. errno, SQLSTATE and library codes are mapped
// to an `ErrorCode` once, at the boundary where they arise.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace mana_sync {

enum class ErrorCode {
  kInvalid,       // the input is wrong; `message` names the place; a retry cannot help (HTTP 400)
  kUnauthorized,  // HTTP 401
  kTooLarge,      // a documented bound was passed (HTTP 413)
  kUnavailable,   // a part is down or full; a retry may help (HTTP 503)
  kIo,            // a system call failed; `message` has its name and errno's text
  kInternal,      // our own mistake, contained
};

struct Error {
  ErrorCode code;
  // For people; never holds tokens, user data or SQL.
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace mana_sync
