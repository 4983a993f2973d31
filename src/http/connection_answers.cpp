// The answering half of a connection: whole answers, streamed ones, and the last before an upgrade.
#include <fmt/format.h>

#include <utility>

#include "connection.h"
#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "mana_sync/base/spare_strings.h"

namespace mana_sync::http {
namespace {

// Up to this size a body is copied behind its head: cheaper than a second piece to send.
constexpr size_t kCopiedBodyBytesMax = 4 * limits::kKiB;
constexpr size_t kHeadBytesReserved = 512;

constexpr std::string_view kLastChunk = "0\r\n\r\n";  // RFC 9112 §7.1

bool leaves_body_out(const Request* request, const Response& response) {
  const bool is_head = request != nullptr && request->method == Method::kHead;
  return is_head || !status_has_body(response.status);
}

std::string join(std::string head, GatheredText& body) {
  body.for_each([&](std::string_view own) { head += own; },
                [&](const SharedBytes& shared) { head += shared.bytes; });
  keep_spare_string(std::move(body.own()));
  return head;
}

}  // namespace

// --- Whole answers ---

bool Connection::answer(uint64_t request_number, Response response) {
  if (!is_waiting(request_number)) return false;
  send_answer(&request_, std::move(response));
  // consume() goes on by itself; from elsewhere, the handler must not be called before this
  // returns.
  if (!consuming_) settle();
  return true;
}

bool Connection::is_waiting(uint64_t request_number) const {
  return state_ == State::kBusy && request_number_ == request_number;
}

void Connection::refuse(const Refusal& refusal) {
  context_.refused.count(refusal.status);
  Response response = error_response(refusal.status, refusal.message);
  response.close = true;
  if (state_ == State::kBody) return send_answer(&request_, std::move(response));
  head_done_ns_ = context_.loop.clock().steady_ns();
  send_answer(nullptr, std::move(response));
}

// `request` is nullptr where the head could not be read.
void Connection::send_answer(const Request* request, Response response) {
  const bool close = closes_after(request, response);
  std::string head = answer_head(request, response, AnswerFraming::kLength, close);
  if (leaves_body_out(request, response)) response.body = {};
  queue(std::move(head), std::move(response.body), News::kNone);
  finish_answer(close);
}

bool Connection::closes_after(const Request* request, const Response& response) const {
  return response.close || context_.is_ending() || (request != nullptr && !request->keep_alive);
}

// Tells the handler, too.
std::string Connection::answer_head(const Request* request, const Response& response,
                                    AnswerFraming framing, bool close) {
  context_.handler.on_answer(request, response, context_.loop.clock().steady_ns() - head_done_ns_);
  AnswerContext context{context_.date.now(), context_.options.cors, parser_.origin()};
  context.framing = framing;
  context.close = close;
  if (request != nullptr) {
    context.version_minor = request->version_minor;
    context.is_preflight = is_preflight_ && response.status == 204;
  }
  const size_t body_bytes = response.body.size();
  std::string head =
      take_spare_string(kHeadBytesReserved + (body_bytes <= kCopiedBodyBytesMax ? body_bytes : 0));
  append_answer_head(head, response, context);
  return head;
}

void Connection::queue(std::string head, GatheredText body, News news) {
  note_output();
  if (body.size() <= kCopiedBodyBytesMax) {
    std::string whole = join(std::move(head), body);
    return news == News::kWanted ? socket_->send(std::move(whole))
                                 : socket_->send_without_news(std::move(whole));
  }
  socket_->send(std::move(head));
  if (body.splices().empty()) return socket_->send(std::move(body.own()));
  body.for_each([&](std::string_view own) { socket_->send(std::string(own)); },
                [&](const SharedBytes& shared) { socket_->send_shared(shared); });
}

void Connection::note_output() {
  // Where output waits already, it is the client that has to act.
  if (socket_->pending_bytes() == 0) activity_ns_ = context_.loop.now_ns();
}

// The handler is done with the request itself; its answer may still go on.
void Connection::forget_request() {
  request_.context.reset();
  forget_body();
  if (std::exchange(is_counted_, false)) context_.bounds.requests.add(-1);
}

void Connection::finish_answer(bool close) {
  forget_request();
  if (close) return begin_linger();
  state_ = State::kIdle;
}

void Connection::begin_linger() {
  if (peer_finished_) return close_socket();
  state_ = State::kLingering;
  linger_begun_ns_ = context_.loop.now_ns();
  activity_ns_ = linger_begun_ns_;
  socket_->finish_sending();
}

void Connection::close_socket() {
  state_ = State::kClosing;
  socket_->close();
}

void Connection::cut(Counter& bound) {
  bound.add();
  abort();
}

// --- Streamed answers ---

void Connection::begin_stream(uint64_t request_number, Response response, StreamEvents& events) {
  MANA_CHECK(is_waiting(request_number));
  const bool is_chunked = request_.version_minor > 0;
  stream_framing_ = is_chunked ? AnswerFraming::kChunked : AnswerFraming::kUntilClose;
  stream_closes_ = !is_chunked || closes_after(&request_, response);
  queue(answer_head(&request_, response, stream_framing_, stream_closes_), {}, News::kWanted);
  if (leaves_body_out(&request_, response)) {
    finish_answer(stream_closes_);
  } else {
    state_ = State::kStreaming;
    forget_request();
    send_piece(std::move(response.body));
    if (context_.is_ending()) {
      finish_stream();
    } else {
      stream_ = &events;
    }
  }
  if (!consuming_) settle();
  // The client had finished before: it takes nothing more, and nobody is to be told.
  if (state_ != State::kStreaming) stream_ = nullptr;
}

bool Connection::is_streaming(uint64_t request_number) const {
  return state_ == State::kStreaming && request_number_ == request_number;
}

void Connection::send_piece(GatheredText piece) {
  if (piece.empty()) return;  // as a chunk it would be the last
  std::string chunk_head;
  if (stream_framing_ == AnswerFraming::kChunked) {
    chunk_head = fmt::format("{:x}\r\n", piece.size());
    piece.own() += "\r\n";
  }
  queue(std::move(chunk_head), std::move(piece), News::kWanted);
  update_timer();
}

void Connection::end_stream(uint64_t request_number) {
  if (request_number_ != request_number) return;
  stream_ = nullptr;
  if (state_ != State::kStreaming) return;
  finish_stream();
  if (!consuming_) settle();
}

// A writer who did not ask for it is told when the connection is gone.
void Connection::finish_stream() {
  if (stream_framing_ == AnswerFraming::kChunked) queue(std::string(kLastChunk), {}, News::kWanted);
  finish_answer(stream_closes_ || context_.is_ending());
}

// --- Upgrades ---

bool Connection::upgrade(uint64_t request_number, Response response,
                         std::unique_ptr<UpgradedConnection> next) {
  if (!is_waiting(request_number)) return false;
  response.status = 101;
  queue(answer_head(&request_, response, AnswerFraming::kLength, false), {}, News::kWanted);
  forget_request();
  state_ = State::kUpgrading;
  next_ = std::move(next);
  if (!consuming_) settle();
  return true;
}

// Destroys this.
void Connection::hand_over() {
  if (receive_paused_) socket_->resume_receive();
  input_.erase(0, input_offset_);
  owner_.on_connection_upgraded(id_, *socket_, std::move(next_), std::move(input_));
}

}  // namespace mana_sync::http
