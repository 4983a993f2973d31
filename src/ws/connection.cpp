#include "mana_sync/ws/connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "frame_writer.h"
#include "mana_sync/base/check.h"
#include "message_reader.h"
#include "shared.h"

namespace mana_sync::ws {
namespace {

End end_of(CloseCode code) {
  switch (code) {
    case CloseCode::kUnsupportedData:
      return End::kUnsupportedData;
    case CloseCode::kInvalidText:
      return End::kInvalidText;
    case CloseCode::kTooBig:
      return End::kTooBig;
    default:
      return End::kProtocolError;
  }
}

}  // namespace

Connection::Connection(Shared& shared, std::unique_ptr<Session> session, Options options)
    : shared_(*shared.impl_), session_(std::move(session)), options_(options) {}

Connection::~Connection() {
  if (is_timer_armed_) shared_.loop.cancel(timer_);
  drop_reader();
}

void Connection::on_open(net::StreamSocket& socket) {
  socket_ = &socket;
  state_ = State::kOpen;
  begun_ns_ = shared_.loop.now_ns();
  sent_ns_ = begun_ns_;  // the head of the answer may wait
  session_->on_open(*this);
  update_timer();
}

void Connection::on_shutdown() {
  close(CloseCode::kGoingAway);
}

// --- Receiving ---

bool Connection::takes_frames() const {
  return state_ == State::kOpen || state_ == State::kCloseSent;
}

void Connection::on_receive(std::string_view bytes) {
  if (state_ == State::kLingering) {
    lingered_bytes_ += bytes.size();
    if (lingered_bytes_ > limits::kLingerBytesMax) abort();
    return;
  }
  if (state_ == State::kOpen) {
    begun_ns_ = shared_.loop.now_ns();
    is_pinged_ = false;
  }
  if (takes_frames()) read(bytes);
}

void Connection::read(std::string_view bytes) {
  // In a local: what the session is shown lies in the reader, whatever the session does meanwhile.
  auto reader = reader_ != nullptr ? std::move(reader_) : shared_.take_reader();
  reader->configure(options_.takes_binary, options_.message_bytes_max);
  while (takes_frames()) {
    const MessageEvent event = reader->next(bytes);
    if (event == MessageEvent::kNeedsMore) break;
    take_event(*reader, event);
  }
  if (takes_frames() && !reader->is_idle()) return keep_reader(std::move(reader));
  shared_.give_back(std::move(reader));
  drop_reader();
}

void Connection::keep_reader(std::unique_ptr<MessageReader> reader) {
  reader_ = std::move(reader);
  const size_t held_bytes = reader_->held_bytes();
  shared_.unfinished_bytes += held_bytes - counted_bytes_;
  counted_bytes_ = held_bytes;
  if (shared_.unfinished_bytes > shared_.unfinished_bytes_max) {
    fail(CloseCode::kTryAgainLater, End::kOverload);
  }
}

void Connection::drop_reader() {
  reader_.reset();
  shared_.unfinished_bytes -= std::exchange(counted_bytes_, 0);
}

void Connection::take_event(const MessageReader& reader, MessageEvent event) {
  switch (event) {
    case MessageEvent::kClose:
      return on_close_frame(reader);
    case MessageEvent::kBroken:
      return fail(reader.broken_code(), end_of(reader.broken_code()));
    default:
      break;
  }
  if (state_ != State::kOpen) return;
  switch (event) {
    case MessageEvent::kText:
      return session_->on_text(reader.payload());
    case MessageEvent::kBinary:
      return session_->on_binary(reader.payload());
    case MessageEvent::kPing:
      return send(frame(Opcode::kPong, reader.payload()));
    default:
      return;
  }
}

void Connection::on_close_frame(const MessageReader& reader) {
  if (state_ == State::kOpen) {
    const auto code = reader.peer_code();
    send(code ? close_frame(*code, {}) : frame(Opcode::kClose, {}));
    leave_open(State::kCloseSent, End::kClient);
  }
  begin_linger();
}

void Connection::on_peer_finished() {
  if (state_ == State::kOpen) leave_open(State::kClosing, End::kVanished);
  close_socket();
}

// --- Sending ---

void Connection::send_text(std::string_view text) {
  if (is_open()) send(frame(Opcode::kText, text));
}

void Connection::send_text(SharedBytes text) {
  if (!is_open()) return;
  send(frame_head(Opcode::kText, text.bytes.size()));
  socket_->send_shared(std::move(text));
  bound_output();
}

void Connection::send_binary(std::string_view bytes) {
  if (is_open()) send(frame(Opcode::kBinary, bytes));
}

size_t Connection::pending_bytes() const {
  return socket_ == nullptr ? 0 : socket_->pending_bytes();
}

void Connection::send(std::string bytes) {
  if (socket_->pending_bytes() == 0) sent_ns_ = shared_.loop.now_ns();
  socket_->send(std::move(bytes));
  bound_output();
}

// What the peer sends makes output: where it takes none, none is made.
void Connection::bound_output() {
  if (is_receive_paused_ || pending_bytes() <= limits::kWebSocketOutputBytesMax) return;
  is_receive_paused_ = true;
  socket_->pause_receive();
}

void Connection::on_sent(size_t pending_bytes) {
  sent_ns_ = shared_.loop.now_ns();
  if (pending_bytes <= limits::kWebSocketOutputBytesMax) resume_receive();
  if (pending_bytes > 0) return;
  update_timer();
  if (is_open()) session_->on_drained();
}

void Connection::resume_receive() {
  if (!std::exchange(is_receive_paused_, false)) return;
  if (state_ == State::kOpen) begun_ns_ = shared_.loop.now_ns();  // it was we who did not listen
  socket_->resume_receive();
}

// --- Closing ---

void Connection::close(CloseCode code, std::string_view reason) {
  if (!is_open()) return;
  send(close_frame(static_cast<uint16_t>(code), reason));
  leave_open(State::kCloseSent, End::kServer);
}

void Connection::fail(CloseCode code, End end) {
  if (state_ == State::kOpen) {
    send(close_frame(static_cast<uint16_t>(code), {}));
    leave_open(State::kCloseSent, end);
  }
  begin_linger();
}

void Connection::leave_open(State state, End end) {
  MANA_CHECK(state_ == State::kOpen);
  state_ = state;
  begun_ns_ = shared_.loop.now_ns();
  shared_.count(end);
  // The peer's close frame may stand behind what was not looked at.
  resume_receive();
  update_timer();
}

void Connection::begin_linger() {
  state_ = State::kLingering;
  drop_reader();
  socket_->finish_sending();
  update_timer();
}

void Connection::close_socket() {
  state_ = State::kClosing;
  drop_reader();
  socket_->close();
  update_timer();
}

void Connection::abort() {
  if (socket_ == nullptr) return;
  if (state_ == State::kOpen) leave_open(State::kClosing, End::kAborted);
  state_ = State::kClosing;
  drop_reader();
  socket_->abort();
}

void Connection::on_closed() {
  if (state_ == State::kOpen) shared_.count(End::kVanished);
  state_ = State::kClosing;
  drop_reader();
  session_->on_closed();
  socket_ = nullptr;
}

// --- Time ---

void Connection::wake_at(int64_t due_ns) {
  wake_ns_ = due_ns;
  update_timer();
}

int64_t Connection::deadline_ns() const {
  const auto after = [](int64_t begun_ns, int64_t ms) { return begun_ns + ms * kNsPerMs; };
  const bool sends = pending_bytes() > 0;
  const int64_t stalled_ns = after(sent_ns_, limits::kWebSocketStallTimeoutMs);
  switch (state_) {
    case State::kOpen: {
      // Behind output that waits, a ping would wait too.
      const int64_t silence_ms =
          is_pinged_ ? limits::kWebSocketPongTimeoutMs : limits::kWebSocketPingAfterMs;
      return std::min(wake_ns_, sends ? stalled_ns : after(begun_ns_, silence_ms));
    }
    case State::kCloseSent:
    case State::kLingering: {
      const int64_t total_ns = after(begun_ns_, limits::kWebSocketCloseTotalTimeoutMs);
      if (sends) return total_ns;
      const int64_t all_sent_ns = std::max(begun_ns_, sent_ns_);
      return std::min(total_ns, after(all_sent_ns, limits::kWebSocketCloseTimeoutMs));
    }
    case State::kClosing:
      return sends ? stalled_ns : kNever;
    case State::kNew:
      return kNever;
  }
  return kNever;
}

// Called where the deadline may have come to lie before the timer's time. What arrives moves it to
// later, and new output to a whole timeout from now, when the timer of an open connection is due.
void Connection::update_timer() {
  const int64_t deadline = deadline_ns();
  if (deadline == kNever || (is_timer_armed_ && timer_due_ns_ <= deadline)) return;
  if (is_timer_armed_) shared_.loop.cancel(timer_);
  const int64_t wait_ns = std::max<int64_t>(deadline - shared_.loop.now_ns(), 0);
  is_timer_armed_ = true;
  timer_due_ns_ = deadline;
  timer_ = shared_.loop.after(std::chrono::milliseconds((wait_ns + kNsPerMs - 1) / kNsPerMs),
                              [this] { on_timer(); });
}

void Connection::on_timer() {
  is_timer_armed_ = false;
  if (shared_.loop.now_ns() >= deadline_ns()) on_deadline();
  update_timer();
}

void Connection::on_deadline() {
  const bool sends = pending_bytes() > 0;
  switch (state_) {
    case State::kOpen:
      if (wake_ns_ <= shared_.loop.now_ns()) {
        wake_ns_ = kNever;
        return session_->on_wake();
      }
      if (sends) {
        leave_open(State::kClosing, End::kStalled);
        return abort();
      }
      if (is_pinged_) return fail(CloseCode::kGoingAway, End::kSilent);
      is_pinged_ = true;
      begun_ns_ = shared_.loop.now_ns();
      return send(frame(Opcode::kPing, {}));
    case State::kCloseSent:
    case State::kLingering:
      return sends ? abort() : close_socket();
    case State::kClosing:
    case State::kNew:
      return abort();
  }
}

}  // namespace mana_sync::ws
