#include "connection.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "mana_sync/base/limits.h"
#include "mana_sync/base/probes.h"

namespace mana_sync::http {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

constexpr Refusal kHeadTimeout{408, "the request head did not arrive in time"};
constexpr Refusal kBodyTimeout{408, "the request body stalled"};
constexpr Refusal kTooManyBodies{503, "too many request bodies at once"};
constexpr Refusal kTooMuchInput{503, "too many large requests at once"};

}  // namespace

Connection::Connection(ConnectionContext& context, ConnectionOwner& owner,
                       AddressCounts::Share address, const Refusal* refusal)
    : context_(context),
      owner_(owner),
      address_(std::move(address)),
      refusal_(refusal),
      parser_(request_, context.options.body_bytes_max) {}

Connection::~Connection() {
  if (timer_armed_) context_.loop.cancel(timer_);
  if (step_is_due_) context_.loop.cancel(step_timer_);
  forget_request();
  context_.bounds.input_bytes.add(-static_cast<int64_t>(counted_input_bytes_));
}

void Connection::open(SlotId id, int fd) {
  id_ = id;
  head_begun_ns_ = context_.loop.now_ns();
  socket_ = net::StreamSocket::adopt(context_.loop, fd, *this);
  update_timer();
}

void Connection::begin_shutdown() {
  if (state_ == State::kStreaming) finish_stream();
  settle();
}

void Connection::abort() {
  state_ = State::kClosing;
  activity_ns_ = context_.loop.now_ns();
  socket_->abort();
}

// --- Reading ---

void Connection::on_receive(std::string_view bytes) {
  if (state_ == State::kClosing) return;
  if (state_ == State::kLingering) {
    activity_ns_ = context_.loop.now_ns();
    lingered_bytes_ += bytes.size();
    if (lingered_bytes_ > limits::kLingerBytesMax) cut(context_.bounds.lingering_cut);
    return;
  }
  if (input_.empty()) bytes.remove_prefix(consume(bytes));
  input_.append(bytes);
  settle();
}

void Connection::on_peer_finished() {
  peer_finished_ = true;
  settle();
}

bool Connection::wants_input() const {
  switch (state_) {
    case State::kHead:
    case State::kBody:
      return true;
    case State::kIdle:
      return socket_->pending_bytes() < limits::kPipelinedOutputBytesMax;
    default:
      return false;
  }
}

size_t Connection::consume(std::string_view bytes) {
  consuming_ = true;
  size_t used = 0;
  while (used < bytes.size() && wants_input()) {
    if (state_ == State::kIdle) {
      parser_.begin();
      head_begun_ns_ = context_.loop.now_ns();
      state_ = State::kHead;
    }
    const Parser::Step step = parser_.feed(bytes.substr(used));
    used += step.consumed;
    take_step(step.event, used < bytes.size());
  }
  consuming_ = false;
  return used;
}

void Connection::take_step(Parser::Event event, bool more_input) {
  if (state_ == State::kBody) {
    activity_ns_ = context_.loop.now_ns();
    if (!count_body()) return refuse_body();
  }
  switch (event) {
    case Parser::Event::kNeedsMore:
      return;
    case Parser::Event::kHeadComplete:
      return on_head_complete(more_input);
    case Parser::Event::kComplete:
      return dispatch();
    case Parser::Event::kRefused:
      return refuse(parser_.refusal());
  }
}

void Connection::on_head_complete(bool more_input) {
  head_done_ns_ = context_.loop.clock().steady_ns();
  probes::request_start(request_.path);
  request_.route = context_.handler.find_route(request_.path);
  is_preflight_ = is_preflight();
  count_request();
  if (refusal_ != nullptr) {
    state_ = State::kBody;  // the head could be read
    return refuse(*refusal_);
  }
  if (!has_room_for_input()) {
    state_ = State::kBody;
    return refuse_input();
  }
  if (!is_preflight_) {
    if (auto response = context_.handler.on_head(request_)) {
      response->close = response->close || parser_.has_body();
      return send_answer(&request_, std::move(*response));
    }
  }
  if (!parser_.has_body()) return dispatch();
  state_ = State::kBody;
  body_begun_ns_ = context_.loop.now_ns();
  activity_ns_ = body_begun_ns_;
  if (!request_.keeps_body || is_preflight_) {
    parser_.skip_body();
  } else if (!has_room_for_body()) {
    owner_.shed_slow_bodies(parser_.content_length());
    if (!has_room_for_body()) return refuse_body();
  }
  // RFC 9110 §10.1.1: not needed where the body comes already.
  if (parser_.expects_continue() && !more_input) socket_->send("HTTP/1.1 100 Continue\r\n\r\n");
}

void Connection::dispatch() {
  state_ = State::kBusy;
  ++request_number_;
  if (is_preflight_) {
    Response response;
    response.status = 204;
    return send_answer(&request_, std::move(response));
  }
  context_.handler.on_request(request_, owner_.make_connection_responder(id_, request_number_));
}

bool Connection::is_preflight() const {
  return request_.method == Method::kOptions &&
         request_.header_count("Access-Control-Request-Method") > 0 &&
         context_.options.cors.allows(parser_.origin());
}

void Connection::refuse_body() {
  context_.bounds.bodies_refused.add();
  refuse(kTooManyBodies);
}

// Only what has come takes room: a promise holds no memory, and must not keep others out.
bool Connection::has_room_for_body() const {
  const size_t held = static_cast<size_t>(context_.bounds.bodies_bytes.value());
  return held + parser_.content_length() <= context_.options.bodies_bytes_max;
}

bool Connection::count_body() {
  const size_t grown = request_.body.size() - counted_body_bytes_;
  counted_body_bytes_ += grown;
  Gauge& held = context_.bounds.bodies_bytes;
  held.add(static_cast<int64_t>(grown));
  const auto max = static_cast<int64_t>(context_.options.bodies_bytes_max);
  if (held.value() > max) owner_.shed_slow_bodies(0);
  return held.value() <= max;
}

std::optional<int64_t> Connection::body_begun_ns() const {
  if (state_ != State::kBody || consuming_ || counted_body_bytes_ == 0) return std::nullopt;
  return body_begun_ns_;
}

void Connection::drop_body() {
  refuse_body();
  settle();
}

void Connection::forget_body() {
  context_.bounds.bodies_bytes.add(-static_cast<int64_t>(counted_body_bytes_));
  counted_body_bytes_ = 0;
}

void Connection::count_request() {
  context_.bounds.requests.add(1);
  is_counted_ = true;
}

bool Connection::count_input() {
  const bool has_head = state_ == State::kHead || state_ == State::kBody || state_ == State::kBusy;
  size_t held = waiting_bytes() + (has_head ? parser_.head_bytes() : 0);
  if (held <= limits::kKeptBufferBytesMax) held = 0;
  const size_t before = std::exchange(counted_input_bytes_, held);
  if (held != before) context_.bounds.input_bytes.add(static_cast<int64_t>(held - before));
  return held > before;
}

bool Connection::has_room_for_input() {
  const Gauge& all = context_.bounds.input_bytes;
  return !count_input() || static_cast<size_t>(all.value()) <= context_.options.input_bytes_max;
}

void Connection::refuse_input() {
  // What the handler has may be stored already: no answer may say otherwise (PROTOCOL 2.1).
  if (state_ == State::kHead || state_ == State::kBody) {
    context_.bounds.input_refused.add();
    return refuse(kTooMuchInput);
  }
  cut(context_.bounds.input_refused);
}

// Brings everything that follows from state_ up to date: buffers are freed, what waits is read,
// receiving is paused or resumed, a connection that can expect nothing more is closed, the timer is
// set. Calls no handler.
void Connection::settle() {
  // An answer without an end is not waited for: and who is no longer read from is not seen to go.
  if (state_ == State::kStreaming && waiting_bytes() > limits::kKeptBufferBytesMax) {
    cut(context_.bounds.lingering_cut);
  }
  if (!has_room_for_input()) refuse_input();
  const bool is_over = state_ == State::kLingering || state_ == State::kClosing;
  if (is_over) drop_waiting_input();
  if (is_over || state_ == State::kIdle) parser_.release_buffers(limits::kKeptBufferBytesMax);
  if (state_ == State::kStreaming) parser_.release_buffers(0);  // for long
  const size_t waiting = waiting_bytes();
  const bool has_step = state_ == State::kUpgrading || (waiting > 0 && wants_input());
  if (has_step && !step_is_due_) {
    step_is_due_ = true;
    step_timer_ = context_.loop.after(std::chrono::milliseconds(0), [this] { take_due_step(); });
  }
  if (state_ != State::kClosing) {
    if (!receive_paused_ && waiting >= limits::kPipelinedInputBytesMax) {
      receive_paused_ = true;
      socket_->pause_receive();
    } else if (receive_paused_ && waiting == 0) {
      receive_paused_ = false;
      socket_->resume_receive();
    }
    const bool has_answer_to_come = state_ == State::kBusy || state_ == State::kUpgrading;
    const bool takes_no_more = waiting == 0 || state_ == State::kStreaming;
    if (peer_finished_ && takes_no_more && !has_answer_to_come) close_socket();
  }
  if (is_over) count_input();
  update_timer();
}

void Connection::drop_waiting_input() {
  input_.clear();
  input_offset_ = 0;
  if (input_.capacity() > limits::kKeptBufferBytesMax) std::string().swap(input_);
}

void Connection::take_due_step() {
  step_is_due_ = false;
  if (state_ == State::kUpgrading) return hand_over();
  consume_waiting_input();
}

void Connection::consume_waiting_input() {
  input_offset_ += consume(std::string_view(input_).substr(input_offset_));
  if (input_offset_ == input_.size()) drop_waiting_input();
  settle();
}

void Connection::on_sent(size_t pending_bytes) {
  activity_ns_ = context_.loop.now_ns();
  // The client's time to read and close starts when it can have the whole answer.
  if (state_ == State::kLingering && pending_bytes == 0) linger_begun_ns_ = activity_ns_;
  settle();
  if (state_ == State::kStreaming) stream_->on_sent(pending_bytes);
}

void Connection::on_closed() {
  state_ = State::kClosing;
  if (StreamEvents* const stream = std::exchange(stream_, nullptr)) stream->on_gone();
  owner_.on_connection_closed(id_);
}

// --- Time (PROTOCOL 9.3) ---

// Not a byte of the next request has come.
bool Connection::awaits_request() const {
  return (state_ == State::kHead && !parser_.has_begun()) ||
         (state_ == State::kIdle && input_.empty());
}

int64_t Connection::deadline_ns() const {
  const auto after = [](int64_t begun_ns, int64_t ms) { return begun_ns + ms * kNsPerMs; };
  if (context_.is_ending() && awaits_request()) return *context_.requests_end_ns;
  const bool sends = socket_->pending_bytes() > 0;
  const int64_t send_ns = sends ? after(activity_ns_, limits::kSendStallTimeoutMs) : kNever;
  switch (state_) {
    case State::kHead:
      return std::min(send_ns, after(head_begun_ns_, limits::kHeadTimeoutMs));
    case State::kBody:
      return after(activity_ns_, limits::kBodyStallTimeoutMs);
    case State::kIdle:
      return sends ? send_ns : after(activity_ns_, limits::kIdleTimeoutMs);
    case State::kLingering:
      if (sends) return send_ns;
      return std::min(after(activity_ns_, limits::kLingerTimeoutMs),
                      after(linger_begun_ns_, limits::kLingerTotalTimeoutMs));
    case State::kBusy:
    case State::kStreaming:
    case State::kUpgrading:
    case State::kClosing:
      break;
  }
  return send_ns;
}

void Connection::update_timer() {
  const int64_t deadline = deadline_ns();
  if (deadline == kNever || (timer_armed_ && timer_due_ns_ <= deadline)) return;
  if (timer_armed_) context_.loop.cancel(timer_);
  const int64_t wait_ns = std::max<int64_t>(deadline - context_.loop.now_ns(), 0);
  timer_armed_ = true;
  timer_due_ns_ = deadline;
  timer_ = context_.loop.after(std::chrono::milliseconds((wait_ns + kNsPerMs - 1) / kNsPerMs),
                               [this] { on_timer(); });
}

void Connection::on_timer() {
  timer_armed_ = false;
  if (context_.loop.now_ns() >= deadline_ns()) on_deadline();
  settle();
}

void Connection::on_deadline() {
  if (context_.is_ending() && awaits_request()) return close_socket();
  if (state_ == State::kBody) return refuse(kBodyTimeout);
  if (socket_->pending_bytes() > 0) return cut(context_.bounds.stalled_cut);
  switch (state_) {
    case State::kHead:
      return refuse(kHeadTimeout);
    case State::kLingering:
      if (context_.loop.now_ns() < activity_ns_ + limits::kLingerTimeoutMs * kNsPerMs) {
        context_.bounds.lingering_cut.add();  // it still sends
      }
      return close_socket();
    case State::kIdle:
      return close_socket();
    case State::kBody:
    case State::kBusy:
    case State::kStreaming:
    case State::kUpgrading:
    case State::kClosing:
      return abort();
  }
}

}  // namespace mana_sync::http
