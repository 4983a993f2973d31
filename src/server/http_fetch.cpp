#include "http_fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <atomic>

#include "mana_sync/base/check.h"

namespace mana_sync::server {
namespace {

constexpr int kPollTimeoutMs = 1'000;  // curl's own timers shorten it

struct EasyCleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using EasyHandle = std::unique_ptr<CURL, EasyCleanup>;

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, UrlCleanup>;

struct Body {
  std::string bytes;
  size_t bytes_max;
  bool overflowed = false;
};

size_t on_body(char* bytes, size_t, size_t size, void* context) {
  Body& body = *static_cast<Body*>(context);
  if (size > body.bytes_max - body.bytes.size()) {
    body.overflowed = true;
    return 0;  // curl ends the transfer
  }
  body.bytes.append(bytes, size);
  return size;
}

UrlHandle parse_url(const std::string& url) {
  UrlHandle parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  return parsed;
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

bool is_file(const std::string& url) {
  const UrlHandle parsed = parse_url(url);
  return parsed && part_of(parsed.get(), CURLUPART_SCHEME) == "file";
}

void configure(CURL* easy, const std::string& url, const FetchLimits& limits, Body& body,
               char* error_text) {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(limits.redirects_max));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.timeout_ms));
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // not even the environment's
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // abandoning does not wait for a name server
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "mana-sync");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
}

}  // namespace

struct HttpFetch::Impl {
  // Drives the transfer to its end; what curl says of it.
  CURLcode run(CURL* easy);

  CURLM* multi = nullptr;
  std::atomic<bool> abandoned{false};
};

CURLcode HttpFetch::Impl::run(CURL* easy) {
  MANA_CHECK(curl_multi_add_handle(multi, easy) == CURLM_OK);
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (running > 0 && !abandoned && curl_multi_perform(multi, &running) == CURLM_OK) {
    if (running > 0) curl_multi_poll(multi, nullptr, 0, kPollTimeoutMs, nullptr);
  }
  int queued = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &queued)) {
    if (message->msg == CURLMSG_DONE) result = message->data.result;
  }
  curl_multi_remove_handle(multi, easy);
  return result;
}

HttpFetch::HttpFetch() : impl_(std::make_unique<Impl>()) {
  MANA_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  impl_->multi = curl_multi_init();
  MANA_CHECK(impl_->multi != nullptr);
}

HttpFetch::~HttpFetch() {
  curl_multi_cleanup(impl_->multi);
  curl_global_cleanup();
}

Result<std::string> HttpFetch::get(const std::string& url, const FetchLimits& limits) {
  const EasyHandle easy(curl_easy_init());
  MANA_CHECK(easy != nullptr);
  Body body{{}, limits.bytes_max};
  std::array<char, CURL_ERROR_SIZE> error_text{};
  configure(easy.get(), url, limits, body, error_text.data());

  const CURLcode code = impl_->run(easy.get());
  if (body.overflowed) {
    return fail(ErrorCode::kUnavailable, fmt::format("more than {} bytes", limits.bytes_max));
  }
  if (code != CURLE_OK) {
    return fail(ErrorCode::kUnavailable,
                error_text[0] != '\0' ? error_text.data() : curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != (is_file(url) ? 0 : 200)) {
    return fail(ErrorCode::kUnavailable, fmt::format("status {}", status));
  }
  return std::move(body.bytes);
}

void HttpFetch::abandon() {
  impl_->abandoned = true;
  curl_multi_wakeup(impl_->multi);
}

std::string url_for_log(const std::string& url) {
  const UrlHandle parsed = parse_url(url);
  if (!parsed) return "(not a URL)";
  for (const CURLUPart part :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(parsed.get(), part, nullptr, 0);
  }
  return part_of(parsed.get(), CURLUPART_URL);
}

}  // namespace mana_sync::server
