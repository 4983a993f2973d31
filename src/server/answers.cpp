#include "answers.h"

namespace mana_sync::server {

http::Response answer_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalid:
      return http::error_response(400, error.message);
    case ErrorCode::kUnauthorized:
      return http::error_response(401, error.message);
    case ErrorCode::kTooLarge:
      return http::error_response(413, error.message);
    case ErrorCode::kUnavailable:
      return http::error_response(503, error.message);
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      break;
  }
  // What went wrong inside is not for clients (PROTOCOL 9.2).
  return http::error_response(500, "something went wrong in the server");
}

http::Response answer_of(Result<GatheredText> body) {
  if (!body) return answer_of(body.error());
  http::Response response;
  response.body = std::move(*body);
  return response;
}

}  // namespace mana_sync::server
