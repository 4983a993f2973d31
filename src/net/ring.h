// The only user of liburing: one io_uring, its provided receive buffers, and the operations that
// the other files of net submit.
#pragma once

#include <liburing.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "mana_sync/base/log.h"
#include "mana_sync/base/result.h"
#include "mana_sync/base/slot_map.h"

namespace mana_sync::net {

enum class OpKind : uint8_t { kCancel, kAccept, kReceive, kSend, kPoll, kWake };

struct Completion {
  SlotId target;
  int32_t result;  // >= 0, or -errno
  OpKind kind;
  bool more;        // the operation goes on (multishot)
  bool has_buffer;  // `buffer` is ours until return_buffer()
  uint16_t buffer;
};

// One thread, the one that created it. Every submission names the object in Operations that its
// completions go to; descriptors and memory must stay valid until the last of them (more == false).
class Ring {
 public:
  // `entries`: of the submission queue, a power of two. Fails (kIo) where io_uring is not available
  // or the kernel is older than 6.1.
  [[nodiscard]] static Result<std::unique_ptr<Ring>> create(unsigned entries);
  // REQUIRES: in_flight() == 0.
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  void log_features(Logger& log) const;

  // One completion for each connection (result: its descriptor), until more == false.
  void submit_accept(SlotId target, int fd);
  // One completion for each buffer that the kernel filled, until more == false.
  void submit_receive(SlotId target, int fd);
  void submit_send(SlotId target, int fd, std::string_view bytes);
  // `pieces` are copied; what they point to is not.
  void submit_send_pieces(SlotId target, int fd, std::span<const iovec> pieces);
  // One completion, with poll(2)'s bits.
  void submit_poll(SlotId target, int fd, short events);
  // Reads an eventfd's counter into `value`.
  void submit_wake(SlotId target, int fd, uint64_t* value);
  // Ends an operation early: its last completion comes with -ECANCELED, or as it would have. No
  // completion of its own, except a negative kCancel one if the operation was not found.
  void submit_cancel(OpKind kind, SlotId target);
  // Ends all operations.
  void submit_cancel_all();

  // Hands what was submitted to the kernel and collects what has completed. Waits for a completion
  // until `timeout_ns` have passed; 0: does not wait, nullopt: as long as it takes. May return
  // early.
  void submit_and_wait(std::optional<int64_t> timeout_ns);
  // Moves all completions to the end of `out`, in order.
  void reap(std::vector<Completion>& out);
  // Operations whose last completion has not been reaped (cancels not counted).
  [[nodiscard]] size_t in_flight() const { return in_flight_; }

  // The bytes of a completed receive.
  [[nodiscard]] std::string_view received(const Completion& completion) const;
  // Gives a buffer back to the kernel. Exactly once for each completion with has_buffer.
  void return_buffer(uint16_t buffer);

 private:
  Ring() = default;
  [[nodiscard]] Result<void> open_queues(unsigned entries);
  [[nodiscard]] Result<void> register_buffers();
  io_uring_sqe* next_entry();
  // The only place that makes a submission: `fill` may set anything but user_data.
  template <class Fill>
  void prepare(OpKind kind, SlotId target, Fill fill);

  // What a gathered send's submission refers to. The kernel copies it at submission
  // (IORING_FEAT_SUBMIT_STABLE), so it is used again after that.
  struct Message {
    msghdr header;
    std::vector<iovec> pieces;
  };

  io_uring ring_{};
  bool is_open_ = false;
  bool has_defer_taskrun_ = false;
  size_t in_flight_ = 0;
  std::vector<Completion> early_;  // reaped while the submission queue was full
  std::vector<std::unique_ptr<Message>> messages_;
  size_t messages_used_ = 0;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  char* buffers_ = nullptr;
};

}  // namespace mana_sync::net
