// Turns a bearer token into a user (PROTOCOL §1). Holds the newest key set, remembers verified
// tokens, and makes requests with an unknown `kid` wait for one fetch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mana_sync/auth/jwt.h"
#include "mana_sync/auth/key_set.h"
#include "mana_sync/base/clock.h"
#include "mana_sync/base/metrics.h"
#include "mana_sync/base/result.h"
#include "mana_sync/base/shared_text.h"

namespace mana_sync::auth {

// A verified user. Shared by all requests with the same token, and by sessions that outlast them.
struct Identity {
  SharedText user_id;
  TokenTimes times;
  std::string kid;  // of the key that verified it
  PublicKey key;
  // The key is in the set (PROTOCOL 1.5).
  [[nodiscard]] bool is_vouched_for_by(const KeySet& keys) const;
};

// kUnauthorized (401), or kUnavailable (503: no key was ever fetched, or too many wait for one).
using AuthResult = Result<std::shared_ptr<const Identity>>;
using AuthCallback = std::move_only_function<void(AuthResult)>;

// One thread.
class Authenticator {
 public:
  // `request_fetch` asks for a fetch of the key set; it is answered by on_keys or on_fetch_failed,
  // later and on the same thread. `clock` and `metrics` must outlive the authenticator.
  Authenticator(ClaimRules rules, const Clock& clock, Metrics& metrics,
                std::function<void()> request_fetch);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // Whose token it is, by the keys at hand; nullopt: it names an unknown kid, and a fetch is due or
  // under way (PROTOCOL 1.4). `token` is borrowed for the call, which allocates nothing for one
  // that was verified before.
  [[nodiscard]] std::optional<AuthResult> authenticate_now(std::string_view token);
  // Asks for the fetch that is due, unless one is under way. REQUIRES: authenticate_now() returned
  // nullopt right before.
  void begin_fetch();
  // The same as authenticate_now(), after a fetch where one must be waited for. Calls `done`
  // exactly once: before returning, unless a fetch must be waited for. `done` may call back into
  // the authenticator. Destroying the authenticator drops who still waits without a call.
  void authenticate(std::string_view token, AuthCallback done);

  // Whether one who was authenticated earlier still would be: a body may take its time. Allocates
  // nothing if so.
  [[nodiscard]] Result<void> check_again(const Identity& identity);

  // A fetch succeeded: swaps the set, forgets tokens whose key left, answers who waited.
  void on_keys(std::shared_ptr<const KeySet> keys);
  // A fetch failed: keeps the keys held, answers who waited.
  void on_fetch_failed();

  [[nodiscard]] bool has_keys() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The token of the request's `Authorization` header: `Bearer`, in any case, then spaces, then the
// token. kUnauthorized with what is wrong.
[[nodiscard]] Result<std::string_view> bearer_token(std::string_view authorization);

}  // namespace mana_sync::auth
