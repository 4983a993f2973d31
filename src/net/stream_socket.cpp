#include "mana_sync/net/stream_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"
#include "operations.h"
#include "output_queue.h"

namespace mana_sync::net {
namespace {

class Socket final : public StreamSocket, public OpTarget {
 public:
  Socket(Operations& operations, int fd, SocketEvents& events)
      : operations_(operations), events_(&events), fd_(fd) {}
  ~Socket() override {
    if (fd_ >= 0) ::close(fd_);
  }

  void start() { submit_receive(); }

  void hand_over(SocketEvents& events, std::string unread) override;
  void send(std::string bytes) override;
  void send_without_news(std::string bytes) override;
  void send_shared(SharedBytes shared) override;
  [[nodiscard]] size_t pending_bytes() const override { return output_.pending_bytes(); }
  void pause_receive() override { is_receive_paused_ = true; }
  void resume_receive() override;
  void finish_sending() override;
  void close() override;
  void abort() override;

  void on_completion(const Completion& completion) override;
  void on_cancel_missed() override;
  void on_visit(Visit visit) override;
  [[nodiscard]] Backlog backlog() const override;
  void drop_backlog() override { abort(); }

 private:
  // kOpen ─close()─▶ kDraining ─all sent─▶ kClosing ─nothing in flight─▶ kClosed ─▶ on_closed,
  // freed abort() and errors lead from the first two to kClosing at once.
  enum class State { kOpen, kDraining, kClosing, kClosed };

  [[nodiscard]] bool is_alive() const {
    return state_ == State::kOpen || state_ == State::kDraining;
  }
  [[nodiscard]] bool takes_output() const { return state_ == State::kOpen && !is_finishing_; }
  [[nodiscard]] bool wants_receive() const;
  void submit_receive();
  void on_received(const Completion& completion);
  void take(std::string_view bytes);
  void on_end_of_input();
  void request_delivery();
  void deliver_held();

  void count_output(size_t bytes);
  void request_flush();
  void flush();
  [[nodiscard]] bool sends_at_once() const;
  [[nodiscard]] bool send_at_once();
  void submit_send();
  void on_send_done(const Completion& completion);
  void on_all_sent();

  void begin_closing();
  void cancel_in_flight();
  void close_if_idle();

  Operations& operations_;
  SocketEvents* events_;
  int fd_;
  State state_ = State::kOpen;

  // True exactly when a receive was submitted and its last completion has not been seen.
  bool is_receive_in_flight_ = false;
  // True exactly when a send was submitted and its completion has not been seen.
  bool is_send_in_flight_ = false;
  // True exactly when a visit of that kind was asked for and has not come.
  bool is_flush_requested_ = false;
  bool is_rearm_requested_ = false;
  bool is_delivery_requested_ = false;

  bool is_receive_paused_ = false;
  bool has_peer_finished_ = false;
  bool has_told_peer_finished_ = false;
  bool is_finishing_ = false;  // finish_sending() was called
  // True exactly when output is pending that on_sent must follow.
  bool owes_news_ = false;
  bool is_send_shut_down_ = false;

  // What arrived while paused, in order; bounded by what one tick can receive, since the first
  // bytes of it end the receive. Also what hand_over() brought, until the next tick.
  std::string held_;
  OutputQueue output_;
  uint64_t output_since_ = 0;  // when what waits in output_ began to
};

// --- receiving ---

bool Socket::wants_receive() const {
  if (has_peer_finished_ || is_receive_in_flight_ || is_rearm_requested_) return false;
  // While draining, input is read and dropped: unread bytes would turn the close into a reset that
  // swallows the answer.
  return state_ == State::kDraining || (state_ == State::kOpen && held_.empty());
}

void Socket::submit_receive() {
  operations_.ring().submit_receive(id(), fd_);
  is_receive_in_flight_ = true;
}

void Socket::on_received(const Completion& completion) {
  is_receive_in_flight_ = completion.more;
  if (completion.has_buffer) {
    if (completion.result > 0) {
      operations_.received_bytes.add(completion.result);
      take(operations_.ring().received(completion));
    }
    operations_.ring().return_buffer(completion.buffer);
  }
  if (!is_alive()) return close_if_idle();
  if (completion.result == 0) return on_end_of_input();
  if (completion.result == -ENOBUFS) {
    operations_.receive_starved.add();
    operations_.request(Visit::kRearm, *this);
    is_rearm_requested_ = true;
    return;
  }
  const bool is_error = completion.result < 0 && completion.result != -ECANCELED &&
                        completion.result != -EINTR && completion.result != -EAGAIN;
  if (is_error) return begin_closing();
  if (wants_receive()) submit_receive();
}

void Socket::take(std::string_view bytes) {
  if (state_ != State::kOpen) return;
  if (!is_receive_paused_ && held_.empty()) return events_->on_receive(bytes);
  held_ += bytes;
  // A pause that ends before the next bytes arrive costs nothing: the receive ends only now.
  if (is_receive_in_flight_) operations_.ring().submit_cancel(OpKind::kReceive, id());
}

void Socket::on_end_of_input() {
  has_peer_finished_ = true;
  if (state_ != State::kOpen || !held_.empty()) return;
  has_told_peer_finished_ = true;
  events_->on_peer_finished();
}

void Socket::hand_over(SocketEvents& events, std::string unread) {
  events_ = &events;
  held_.insert(0, unread);
  has_told_peer_finished_ = false;
  request_delivery();
}

void Socket::resume_receive() {
  is_receive_paused_ = false;
  request_delivery();
}

void Socket::request_delivery() {
  const bool has_news = !held_.empty() || (has_peer_finished_ && !has_told_peer_finished_);
  if (!has_news || is_delivery_requested_ || state_ != State::kOpen) return;
  operations_.request(Visit::kDeferred, *this);
  is_delivery_requested_ = true;
}

void Socket::deliver_held() {
  is_delivery_requested_ = false;
  if (state_ != State::kOpen || is_receive_paused_) return;
  const std::string held = std::exchange(held_, {});
  if (!held.empty()) events_->on_receive(held);
  if (state_ != State::kOpen) return;
  if (has_peer_finished_ && !has_told_peer_finished_) return on_end_of_input();
  if (wants_receive()) submit_receive();
}

// --- sending ---

void Socket::send(std::string bytes) {
  if (takes_output() && !bytes.empty()) owes_news_ = true;
  send_without_news(std::move(bytes));
}

void Socket::send_without_news(std::string bytes) {
  if (!takes_output()) return;
  count_output(bytes.size());
  output_.push(std::move(bytes));
  request_flush();
}

void Socket::send_shared(SharedBytes shared) {
  if (!takes_output()) return;
  if (!shared.bytes.empty()) owes_news_ = true;
  count_output(shared.bytes.size());
  output_.push(std::move(shared));
  request_flush();
}

// REQUIRES: the socket is alive, and the bytes are not in output_ yet.
void Socket::count_output(size_t bytes) {
  if (output_.pending_bytes() == 0) output_since_ = operations_.next_output_time();
  operations_.output_bytes.add(static_cast<int64_t>(bytes));
}

OpTarget::Backlog Socket::backlog() const {
  if (!is_alive()) return {};
  return {output_since_, output_.pending_bytes()};
}

void Socket::request_flush() {
  // With a send in flight its completion goes on with what has gathered.
  if (is_flush_requested_ || is_send_in_flight_) return;
  operations_.request(Visit::kFlush, *this);
  is_flush_requested_ = true;
}

void Socket::flush() {
  is_flush_requested_ = false;
  if (!is_alive() || is_send_in_flight_) return;
  if (output_.pending_bytes() == 0) return on_all_sent();
  if (sends_at_once() && send_at_once()) return;
  submit_send();
}

// With several sockets the ring is cheaper: one system call hands over all that they send. Alone,
// it costs a completion, and a tick to see it.
bool Socket::sends_at_once() const {
  return operations_.visits_one() && takes_output() && !owes_news_ &&
         output_.pending_bytes() <= limits::kSentAtOnceBytesMax;
}

// False: some is left for the ring, or what broke the connection is for it to find.
bool Socket::send_at_once() {
  std::array<iovec, limits::kSendPiecesMax> pieces;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = output_.gather(pieces);
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const ssize_t sent = message.msg_iovlen == 1
                           ? ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, kFlags)
                           : ::sendmsg(fd_, &message, kFlags);
  if (sent <= 0) return false;
  operations_.sent_bytes.add(sent);
  operations_.output_bytes.add(-sent);
  output_.consume(static_cast<size_t>(sent));
  return output_.pending_bytes() == 0;
}

void Socket::submit_send() {
  std::array<iovec, limits::kSendPiecesMax> pieces;
  const size_t count = output_.gather(pieces);
  MANA_CHECK(count > 0);
  if (count == 1) {
    const auto* const bytes = static_cast<const char*>(pieces[0].iov_base);
    operations_.ring().submit_send(id(), fd_, {bytes, pieces[0].iov_len});
  } else {
    operations_.ring().submit_send_pieces(id(), fd_, {pieces.data(), count});
  }
  is_send_in_flight_ = true;
}

void Socket::on_send_done(const Completion& completion) {
  is_send_in_flight_ = false;
  const bool is_interrupted = completion.result == -EINTR || completion.result == -EAGAIN;
  if (completion.result > 0) {
    operations_.sent_bytes.add(completion.result);
    output_.consume(static_cast<size_t>(completion.result));
  }
  if (output_.pending_bytes() == 0) owes_news_ = false;
  if (!is_alive()) return close_if_idle();
  if (completion.result < 0 && !is_interrupted) return begin_closing();
  if (completion.result > 0) operations_.output_bytes.add(-completion.result);
  if (completion.result > 0) events_->on_sent(output_.pending_bytes());
  if (is_alive() && (output_.pending_bytes() > 0 || is_finishing_ || state_ == State::kDraining)) {
    request_flush();
  }
}

void Socket::on_all_sent() {
  if (state_ == State::kDraining) return begin_closing();
  if (is_finishing_ && !is_send_shut_down_) {
    ::shutdown(fd_, SHUT_WR);
    is_send_shut_down_ = true;
  }
}

// --- closing ---

void Socket::finish_sending() {
  if (state_ != State::kOpen || is_finishing_) return;
  is_finishing_ = true;
  request_flush();
}

void Socket::close() {
  if (state_ != State::kOpen) return;
  state_ = State::kDraining;
  held_ = {};
  if (wants_receive()) submit_receive();
  request_flush();
}

void Socket::abort() {
  if (is_alive()) begin_closing();
}

void Socket::begin_closing() {
  state_ = State::kClosing;
  held_ = {};
  operations_.output_bytes.add(-static_cast<int64_t>(output_.pending_bytes()));
  if (output_.pending_bytes() > 0) {
    // The peer must not take a cut answer for a whole one: close() will reset the connection.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  } else {
    ::shutdown(fd_, SHUT_RDWR);
  }
  cancel_in_flight();
  close_if_idle();
}

void Socket::cancel_in_flight() {
  if (is_receive_in_flight_) operations_.ring().submit_cancel(OpKind::kReceive, id());
  if (is_send_in_flight_) operations_.ring().submit_cancel(OpKind::kSend, id());
}

void Socket::on_cancel_missed() {
  if (state_ == State::kClosing) cancel_in_flight();
}

void Socket::close_if_idle() {
  if (state_ != State::kClosing || is_receive_in_flight_ || is_send_in_flight_) return;
  state_ = State::kClosed;
  operations_.request(Visit::kReclaim, *this);
}

// --- the loop's calls ---

void Socket::on_completion(const Completion& completion) {
  if (completion.kind == OpKind::kReceive) return on_received(completion);
  MANA_CHECK(completion.kind == OpKind::kSend);
  on_send_done(completion);
}

void Socket::on_visit(Visit visit) {
  switch (visit) {
    case Visit::kDeferred:
      return deliver_held();
    case Visit::kFlush:
      return flush();
    case Visit::kRearm:
      is_rearm_requested_ = false;
      if (wants_receive()) submit_receive();
      return;
    case Visit::kReclaim:
      ::close(std::exchange(fd_, -1));
      return events_->on_closed();
  }
}

}  // namespace

StreamSocket* StreamSocket::adopt(Loop& loop, int fd, SocketEvents& events) {
  // On a non-blocking descriptor an operation would fail with EAGAIN instead of waiting.
  const int flags = ::fcntl(fd, F_GETFL);
  if ((flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  Operations& operations = loop.operations();
  Socket* const socket = operations.add(std::make_unique<Socket>(operations, fd, events));
  socket->start();
  return socket;
}

}  // namespace mana_sync::net
