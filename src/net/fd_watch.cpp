#include "mana_sync/net/fd_watch.h"

#include <poll.h>

#include <utility>

#include "operations.h"

namespace mana_sync::net {

// One poll at a time. Outlives the watch while it is in flight, or as long as the loop needs it.
class FdPoll final : public OpTarget {
 public:
  FdPoll(Operations& operations, std::shared_ptr<const FdWatch::Ready> ready)
      : operations_(operations), ready_(std::move(ready)) {}

  void submit(int fd, short events) {
    fd_ = fd;
    events_ = events;
    is_in_flight_ = true;
    operations_.ring().submit_poll(id(), fd, events);
  }

  // The watch waits for something else now, or is gone.
  void orphan() {
    ready_ = nullptr;
    if (is_in_flight_) {
      operations_.ring().submit_cancel(OpKind::kPoll, id());
    } else {
      operations_.request(Visit::kReclaim, *this);
    }
  }

  [[nodiscard]] bool is_in_flight() const { return is_in_flight_; }
  [[nodiscard]] bool covers(int fd, short events) const {
    return is_in_flight_ && fd == fd_ && (events & ~events_) == 0;
  }

  void on_completion(const Completion& completion) override {
    is_in_flight_ = false;
    if (ready_ == nullptr) return operations_.request(Visit::kReclaim, *this);
    // Whoever is called may destroy the watch.
    const std::shared_ptr<const FdWatch::Ready> ready = ready_;
    // A poll that fails (a bad descriptor) is for its owner to find out by using it.
    (*ready)(completion.result >= 0 ? static_cast<short>(completion.result) : POLLERR);
  }
  void on_cancel_missed() override {
    if (is_in_flight_ && ready_ == nullptr) {
      operations_.ring().submit_cancel(OpKind::kPoll, id());
    }
  }
  void on_visit(Visit) override {}

 private:
  Operations& operations_;
  std::shared_ptr<const FdWatch::Ready> ready_;  // nullptr: orphan
  int fd_ = -1;
  short events_ = 0;
  // True exactly when a poll was submitted and its completion has not been seen.
  bool is_in_flight_ = false;
};

FdWatch::FdWatch(Loop& loop, Ready ready)
    : loop_(loop), ready_(std::make_shared<const Ready>(std::move(ready))) {}

FdWatch::~FdWatch() {
  disarm();
}

void FdWatch::arm(int fd, short events) {
  if (poll_ != nullptr && poll_->covers(fd, events)) return;
  if (poll_ != nullptr && poll_->is_in_flight()) disarm();
  if (poll_ == nullptr) {
    Operations& operations = loop_.operations();
    poll_ = operations.add(std::make_unique<FdPoll>(operations, ready_));
  }
  poll_->submit(fd, events);
}

void FdWatch::disarm() {
  if (poll_ != nullptr) std::exchange(poll_, nullptr)->orphan();
}

}  // namespace mana_sync::net
