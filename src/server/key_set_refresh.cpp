#include "mana_sync/server/key_set_refresh.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "http_fetch.h"

namespace mana_sync::server {
namespace {

using FetchResult = Result<std::shared_ptr<const auth::KeySet>>;

// A thread that no signal interrupts: those are the loop's (and a broken TLS connection must not
// raise SIGPIPE).
std::thread start_without_signals(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace

struct KeySetRefresh::Impl {
  // What the loop's thread needs; gone when the refresh is.
  struct Receiver {
    void take(uint64_t number, FetchResult result);

    OnResult on_result;
    Counter& ok_total;
    Counter& failed_total;
    uint64_t asked = 0;  // how often a fetch was asked for; written by the loop, under the mutex
    std::shared_ptr<const auth::KeySet> held{};  // what was not told, since newer ones come
  };

  Impl(net::Loop& the_loop, std::string the_url, OnResult on_result, KeySetSchedule the_schedule);
  ~Impl();

  void run();
  FetchResult fetch();
  // `number`: of the requests that came before the fetch began.
  void report(uint64_t number, FetchResult result);
  // Until the time is over, one more fetch is asked for, or the end.
  void wait(uint64_t number, int64_t delay_ms);
  [[nodiscard]] uint64_t asked();
  [[nodiscard]] bool is_stopping();

  net::Loop& loop;
  const std::string url;
  const std::string log_url;
  const KeySetSchedule schedule;
  std::shared_ptr<Receiver> receiver;
  HttpFetch http;

  std::mutex mutex;  // guards `stopping` and receiver->asked
  bool stopping = false;
  std::condition_variable changed;
  std::thread thread;
};

KeySetRefresh::Impl::Impl(net::Loop& the_loop, std::string the_url, OnResult on_result,
                          KeySetSchedule the_schedule)
    : loop(the_loop), url(std::move(the_url)), log_url(url_for_log(url)), schedule(the_schedule) {
  constexpr const char* kName = "mana_sync_key_set_fetches_total";
  constexpr const char* kHelp = "Fetches of the issuer's key set.";
  Counter& ok_total = loop.metrics().counter(kName, kHelp, "result=\"ok\"");
  Counter& failed_total = loop.metrics().counter(kName, kHelp, "result=\"failed\"");
  receiver = std::make_shared<Receiver>(Receiver{
      .on_result = std::move(on_result), .ok_total = ok_total, .failed_total = failed_total});
  thread = start_without_signals([this] { run(); });
}

KeySetRefresh::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_one();
  http.abandon();
  thread.join();
}

void KeySetRefresh::Impl::run() {
  bool has_keys = false;
  int64_t retry_ms = schedule.retry_min_ms;
  while (!is_stopping()) {
    const uint64_t number = asked();
    FetchResult result = fetch();
    if (is_stopping()) return;
    has_keys = has_keys || result.has_value();
    report(number, std::move(result));
    wait(number, has_keys ? schedule.refresh_ms : retry_ms);
    retry_ms = std::min(retry_ms * 2, schedule.retry_max_ms);
  }
}

FetchResult KeySetRefresh::Impl::fetch() {
  const FetchLimits fetch_limits{schedule.fetch_timeout_ms, limits::kKeySetBytesMax,
                                 limits::kKeySetRedirectsMax};
  const Result<std::string> body = http.get(url, fetch_limits);
  if (!body) return std::unexpected(body.error());
  FetchResult keys = auth::KeySet::parse(*body);
  if (!keys) return fail(ErrorCode::kUnavailable, std::move(keys.error().message));
  return keys;
}

void KeySetRefresh::Impl::report(uint64_t number, FetchResult result) {
  if (result) {
    loop.log().info(
        "key_set_fetched",
        {{"url", log_url}, {"keys", (*result)->size()}, {"skipped", (*result)->skipped()}});
  } else {
    loop.log().warn("key_set_failed", {{"url", log_url}, {"reason", result.error().message}});
  }
  loop.post([weak = std::weak_ptr(receiver), number, result = std::move(result)]() mutable {
    const std::shared_ptr<Receiver> alive = weak.lock();
    if (alive != nullptr) alive->take(number, std::move(result));
  });
}

// Whoever asked after the fetch began may have seen a key that it did not: the next one answers.
void KeySetRefresh::Impl::Receiver::take(uint64_t number, FetchResult result) {
  (result ? ok_total : failed_total).add();
  if (result) held = std::move(*result);
  if (number != asked) return;
  if (held != nullptr) result = std::move(held);
  held = nullptr;
  on_result(std::move(result));
}

void KeySetRefresh::Impl::wait(uint64_t number, int64_t delay_ms) {
  std::unique_lock lock(mutex);
  changed.wait_for(lock, std::chrono::milliseconds(delay_ms),
                   [&] { return stopping || receiver->asked != number; });
}

uint64_t KeySetRefresh::Impl::asked() {
  const std::lock_guard lock(mutex);
  return receiver->asked;
}

bool KeySetRefresh::Impl::is_stopping() {
  const std::lock_guard lock(mutex);
  return stopping;
}

KeySetRefresh::KeySetRefresh(net::Loop& loop, std::string url, OnResult on_result,
                             KeySetSchedule schedule)
    : impl_(std::make_unique<Impl>(loop, std::move(url), std::move(on_result), schedule)) {}

KeySetRefresh::~KeySetRefresh() = default;

void KeySetRefresh::fetch_now() {
  {
    const std::lock_guard lock(impl_->mutex);
    ++impl_->receiver->asked;
  }
  impl_->changed.notify_one();
}

}  // namespace mana_sync::server
