#include "mana_sync/auth/authenticator.h"

#include <utility>
#include <vector>

#include "mana_sync/base/check.h"
#include "mana_sync/base/hash.h"
#include "mana_sync/base/limits.h"
#include "verified_tokens.h"

namespace mana_sync::auth {
namespace {

constexpr std::string_view kScheme = "bearer";

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_bearer(std::string_view scheme) {
  if (scheme.size() != kScheme.size()) return false;
  for (size_t i = 0; i < scheme.size(); ++i) {
    if (to_lower(scheme[i]) != kScheme[i]) return false;
  }
  return true;
}

constexpr const char* kWaitsRefusedHelp =
    "Tokens whose key is not known and was not waited for: others wait already, too many of them, "
    "or keys were fetched not long ago.";

std::unexpected<Error> unknown_key() {
  return fail(ErrorCode::kUnauthorized, "token's key is not known");
}

}  // namespace

bool Identity::is_vouched_for_by(const KeySet& keys) const {
  const PublicKey* const found = keys.find(kid);
  return found != nullptr && *found == key;
}

struct Authenticator::Impl {
  struct Waiter {
    std::string token;
    AuthCallback done;
  };

  Impl(ClaimRules claim_rules, const Clock& the_clock, Metrics& metrics,
       std::function<void()> fetch)
      : rules(std::move(claim_rules)),
        clock(the_clock),
        request_fetch(std::move(fetch)),
        verified_total(metrics.counter("mana_sync_tokens_verified_total",
                                       "Tokens accepted after their signature was checked.")),
        remembered_total(metrics.counter("mana_sync_tokens_remembered_total",
                                         "Tokens accepted because they were verified before.")),
        refused_total(metrics.counter("mana_sync_tokens_refused_total", "Tokens refused.")),
        held(metrics.gauge("mana_sync_tokens_held", "Verified tokens that are remembered.")),
        forgotten_total(metrics.counter("mana_sync_tokens_forgotten_total",
                                        "Verified tokens forgotten to make room for others.")),
        waiting(metrics.gauge("mana_sync_tokens_waiting",
                              "Tokens whose key is not known, and is being fetched.")),
        full_total(metrics.counter("mana_sync_key_waits_refused_total", kWaitsRefusedHelp,
                                   "bound=\"all\"")),
        too_soon_total(metrics.counter("mana_sync_key_waits_refused_total", kWaitsRefusedHelp,
                                       "bound=\"time\"")) {}

  // The answer for a remembered token; nullopt if it is not remembered. Allocates nothing unless
  // the token's time is over.
  std::optional<AuthResult> recall(Hash128 hash, std::string_view token);
  // Checks signature and claims, and remembers the token if they hold.
  AuthResult verify(Hash128 hash, std::string_view token, const ParsedToken& parsed,
                    const PublicKey& key);
  // The answer with the keys at hand; nullopt if the token's kid is not among them.
  std::optional<AuthResult> decide(std::string_view token);
  void wait_for_key(std::string_view token, AuthCallback done);
  void begin_fetch();
  // A fetch ended: answers who waited for it.
  void answer_waiters();
  void answer(AuthCallback& done, AuthResult result);
  void count_refusal(const AuthResult& result);

  [[nodiscard]] bool fetch_is_due() const {
    return !fetch_requested_ns || clock.steady_ns() - *fetch_requested_ns >=
                                      limits::kKeySetUnknownKidIntervalMs * 1'000'000;
  }
  [[nodiscard]] Hash128 hash_of(std::string_view token) const { return hash128(token, seed); }

  const ClaimRules rules;
  const Clock& clock;
  const std::function<void()> request_fetch;
  Counter& verified_total;
  Counter& remembered_total;
  Counter& refused_total;
  Gauge& held;
  Counter& forgotten_total;
  Gauge& waiting;
  Counter& full_total;
  Counter& too_soon_total;

  const uint64_t seed = random_seed();
  std::shared_ptr<const KeySet> keys;  // null until the first fetch succeeded
  VerifiedTokens verified{limits::kVerifiedTokensMax, limits::kVerifiedTokenBytesMax};
  std::vector<Waiter> waiters;
  bool fetching = false;  // true exactly while a fetch that request_fetch asked for is unanswered
  std::optional<int64_t> fetch_requested_ns;  // the last one
};

std::optional<AuthResult> Authenticator::Impl::recall(Hash128 hash, std::string_view token) {
  const VerifiedToken* known = verified.find(hash, token);
  if (known == nullptr) return std::nullopt;
  if (Result<void> times = check_times(known->identity->times, clock.wall_us()); !times) {
    return std::unexpected(std::move(times.error()));
  }
  remembered_total.add();
  return known->identity;
}

AuthResult Authenticator::Impl::verify(Hash128 hash, std::string_view token,
                                       const ParsedToken& parsed, const PublicKey& key) {
  if (!verify_signature(parsed, key)) {
    return fail(ErrorCode::kUnauthorized, "token's signature does not match");
  }
  Result<Claims> claims = parse_claims(parsed.claims_json, rules);
  if (!claims) return std::unexpected(std::move(claims.error()));
  if (Result<void> times = check_times(claims->times, clock.wall_us()); !times) {
    return std::unexpected(std::move(times.error()));
  }
  verified_total.add();
  auto identity = std::make_shared<const Identity>(
      Identity{std::move(claims->subject), claims->times, parsed.kid, key});
  const size_t forgotten = verified.insert(hash, {std::string(token), identity});
  forgotten_total.add(static_cast<int64_t>(forgotten));
  held.set(static_cast<int64_t>(verified.size()));
  return identity;
}

std::optional<AuthResult> Authenticator::Impl::decide(std::string_view token) {
  if (keys == nullptr) return fail(ErrorCode::kUnavailable, "no key was fetched yet");
  const Hash128 hash = hash_of(token);
  if (std::optional<AuthResult> recalled = recall(hash, token)) return recalled;
  Result<ParsedToken> parsed = parse_token(token);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  const PublicKey* key = keys->find(parsed->kid);
  if (key == nullptr) return std::nullopt;
  return verify(hash, token, *parsed, *key);
}

void Authenticator::Impl::wait_for_key(std::string_view token, AuthCallback done) {
  if (waiters.size() >= limits::kKeyWaitersMax) {
    full_total.add();
    return answer(done, fail(ErrorCode::kUnavailable, "too many requests wait for a key"));
  }
  waiters.push_back({std::string(token), std::move(done)});
  waiting.set(static_cast<int64_t>(waiters.size()));
  begin_fetch();
}

void Authenticator::Impl::begin_fetch() {
  if (fetching) return;
  fetching = true;
  fetch_requested_ns = clock.steady_ns();
  request_fetch();
}

void Authenticator::Impl::answer_waiters() {
  fetching = false;
  waiting.set(0);
  // A `done` may come back with another token, which then waits for another fetch.
  for (Waiter& waiter : std::exchange(waiters, {})) {
    answer(waiter.done, decide(waiter.token).value_or(unknown_key()));
  }
}

void Authenticator::Impl::answer(AuthCallback& done, AuthResult result) {
  count_refusal(result);
  done(std::move(result));
}

void Authenticator::Impl::count_refusal(const AuthResult& result) {
  if (!result && result.error().code == ErrorCode::kUnauthorized) refused_total.add();
}

Authenticator::Authenticator(ClaimRules rules, const Clock& clock, Metrics& metrics,
                             std::function<void()> request_fetch)
    : impl_(std::make_unique<Impl>(std::move(rules), clock, metrics, std::move(request_fetch))) {}

Authenticator::~Authenticator() = default;

std::optional<AuthResult> Authenticator::authenticate_now(std::string_view token) {
  std::optional<AuthResult> result = impl_->decide(token);
  if (!result) {
    if (impl_->fetching || impl_->fetch_is_due()) return std::nullopt;
    impl_->too_soon_total.add();
    result = unknown_key();
  }
  impl_->count_refusal(*result);
  return result;
}

void Authenticator::begin_fetch() {
  impl_->begin_fetch();
}

void Authenticator::authenticate(std::string_view token, AuthCallback done) {
  std::optional<AuthResult> result = authenticate_now(token);
  if (!result) return impl_->wait_for_key(token, std::move(done));
  done(std::move(*result));
}

Result<void> Authenticator::check_again(const Identity& identity) {
  if (!identity.is_vouched_for_by(*impl_->keys)) {
    impl_->refused_total.add();
    return unknown_key();
  }
  Result<void> times = check_times(identity.times, impl_->clock.wall_us());
  if (!times) impl_->refused_total.add();
  return times;
}

void Authenticator::on_keys(std::shared_ptr<const KeySet> keys) {
  MANA_CHECK(keys != nullptr);
  impl_->keys = std::move(keys);
  impl_->verified.keep_only(*impl_->keys);
  impl_->held.set(static_cast<int64_t>(impl_->verified.size()));
  impl_->answer_waiters();
}

void Authenticator::on_fetch_failed() {
  impl_->answer_waiters();
}

bool Authenticator::has_keys() const {
  return impl_->keys != nullptr;
}

Result<std::string_view> bearer_token(std::string_view authorization) {
  const size_t scheme_end = authorization.find(' ');
  if (!is_bearer(authorization.substr(0, scheme_end))) {
    return fail(ErrorCode::kUnauthorized, "the Authorization header is not a Bearer token");
  }
  const size_t start = authorization.find_first_not_of(' ', scheme_end);
  if (scheme_end == std::string_view::npos || start == std::string_view::npos) {
    return fail(ErrorCode::kUnauthorized, "the Bearer token is empty");
  }
  return authorization.substr(start);
}

}  // namespace mana_sync::auth
