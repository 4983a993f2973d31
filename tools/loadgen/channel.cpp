#include "channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "mana_sync/base/check.h"

namespace mana_sync::loadgen {

// Hears what the socket says, until that is closed, be the channel still there or not.
class Channel::Link final : public net::SocketEvents {
 public:
  Link(Network& network, Channel& channel) : network_(network), channel_(&channel) {}

  void adopt(SlotId id, int fd) {
    id_ = id;
    socket_ = net::StreamSocket::adopt(network_.loop(), fd, *this);
  }
  void send(std::string bytes) { socket_->send(std::move(bytes)); }
  void leave() {
    channel_ = nullptr;
    socket_->abort();
  }

  void on_receive(std::string_view bytes) override {
    if (channel_ != nullptr) channel_->events_.on_receive(bytes);
  }
  void on_peer_finished() override {
    if (channel_ != nullptr) channel_->fail("the server ended the connection");
  }
  void on_sent(size_t) override {}
  void on_closed() override {
    Channel* const channel = std::exchange(channel_, nullptr);
    if (channel != nullptr) channel->fail("the connection was lost");
    // Goes with the end of this call.
    const auto self = network_.links_.remove(id_);
  }

 private:
  Network& network_;
  Channel* channel_;  // nullptr: has left
  net::StreamSocket* socket_ = nullptr;
  SlotId id_;
};

void Channel::open() {
  MANA_CHECK(state_ == State::kClosed);
  state_ = State::kConnecting;
  Result<int> fd = network_.begin_connect();
  if (!fd) {
    failed_timer_ =
        network_.loop().after(std::chrono::milliseconds(0),
                              [this, reason = std::move(fd.error().message)] { fail(reason); });
    return;
  }
  fd_ = *fd;
  watch_ = std::make_unique<net::FdWatch>(network_.loop(), [this](short) { on_decided(); });
  watch_->arm(fd_, POLLOUT);
}

void Channel::on_decided() {
  int error = 0;
  socklen_t length = sizeof(error);
  ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return fail("connect: " + std::generic_category().message(error));
  watch_.reset();
  auto link = std::make_unique<Link>(network_, *this);
  link_ = link.get();
  const SlotId id = network_.links_.insert(std::move(link));
  link_->adopt(id, std::exchange(fd_, -1));
  state_ = State::kOpen;
  events_.on_connected();
}

void Channel::send(std::string bytes) {
  if (state_ == State::kOpen) link_->send(std::move(bytes));
}

void Channel::close() {
  if (state_ == State::kOpen) {
    std::exchange(link_, nullptr)->leave();
  } else if (state_ == State::kConnecting) {
    network_.loop().cancel(failed_timer_);
    watch_.reset();
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  state_ = State::kClosed;
}

void Channel::fail(std::string_view reason) {
  if (state_ == State::kClosed) return;
  // What it is called with may be the channel's own.
  const std::string kept(reason);
  close();
  events_.on_ended(kept);
}

}  // namespace mana_sync::loadgen
