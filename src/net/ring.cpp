#include "ring.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "mana_sync/base/check.h"
#include "mana_sync/base/limits.h"

namespace mana_sync::net {
namespace {

constexpr int kBufferGroup = 0;
constexpr size_t kSendBytesMax = size_t{1} << 30;
constexpr int kSubmitAttemptsMax = 10'000;
constexpr unsigned kFeatureReceiveBundle = 1U << 14;  // Linux 6.10; not in liburing 2.3

// user_data = kind : generation : slot. 2^24 slots are plenty, the generation stays whole.
constexpr unsigned kSlotBits = 24;
constexpr uint32_t kNobodySlot = (1U << kSlotBits) - 1;

uint64_t encode(OpKind kind, SlotId target) {
  MANA_CHECK(target.slot <= kNobodySlot);
  return static_cast<uint64_t>(kind) << 56 | static_cast<uint64_t>(target.generation) << kSlotBits |
         target.slot;
}

Completion decode(const io_uring_cqe& cqe) {
  const uint64_t data = io_uring_cqe_get_data64(&cqe);
  return {.target = {static_cast<uint32_t>(data & kNobodySlot),
                     static_cast<uint32_t>(data >> kSlotBits)},
          .result = cqe.res,
          .kind = static_cast<OpKind>(data >> 56),
          .more = (cqe.flags & IORING_CQE_F_MORE) != 0,
          .has_buffer = (cqe.flags & IORING_CQE_F_BUFFER) != 0,
          .buffer = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT)};
}

std::string error_text(int error) {
  return std::generic_category().message(error);
}

bool is_kernel_older_than_floor(const utsname& kernel) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(kernel.release, "%d.%d", &major, &minor) != 2) return false;
  return major < 6 || (major == 6 && minor < 1);
}

Error open_failed(int error) {
  const std::string what = "io_uring is not available (io_uring_setup: " + error_text(error) + ")";
  if (error == EPERM || error == ENOSYS) {
    return {ErrorCode::kIo,
            what +
                "; check `sysctl kernel.io_uring_disabled` (it must be 0) and, in a container, "
                "that its seccomp profile allows io_uring"};
  }
  if (error == ENOMEM) {
    return {ErrorCode::kIo,
            what + "; its queues count as locked memory: `ulimit -l` must be 1 MiB or more"};
  }
  return {ErrorCode::kIo, what};
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(unsigned entries) {
  std::unique_ptr<Ring> ring(new Ring);
  if (auto opened = ring->open_queues(entries); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  if (auto registered = ring->register_buffers(); !registered) {
    return std::unexpected(std::move(registered.error()));
  }
  return ring;
}

Result<void> Ring::open_queues(unsigned entries) {
  utsname kernel{};
  ::uname(&kernel);
  if (is_kernel_older_than_floor(kernel)) {
    return fail(ErrorCode::kIo, fmt::format("Linux 6.1 or later is needed for io_uring's multishot "
                                            "receive; this is {}",
                                            kernel.release));
  }
  const auto open = [&](unsigned flags) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
    params.cq_entries = entries * (limits::kRingCompletions / limits::kRingEntries);
    return io_uring_queue_init_params(entries, &ring_, &params);
  };
  int result = open(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  has_defer_taskrun_ = result == 0;
  // The two flags only make it faster; what emulates io_uring may lack them.
  if (result == -EINVAL) result = open(0);
  if (result < 0) return std::unexpected(open_failed(-result));
  is_open_ = true;
  // Saves a look-up of the descriptor in each call; without it everything works as well.
  io_uring_register_ring_fd(&ring_);
  return {};
}

Result<void> Ring::register_buffers() {
  constexpr size_t kRingBytes = limits::kReceiveBufferCount * sizeof(io_uring_buf);
  constexpr size_t kBytes = limits::kReceiveBufferCount * limits::kReceiveBufferBytes;
  // One mapping: the buffers, then the ring that offers them, which must begin on a page.
  static_assert(kBytes % 4096 == 0);
  void* const memory = ::mmap(nullptr, kBytes + kRingBytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail(ErrorCode::kIo, "mmap: " + error_text(errno));
  buffers_ = static_cast<char*>(memory);
  buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(buffers_ + kBytes);

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = limits::kReceiveBufferCount;
  registration.bgid = kBufferGroup;
  const int result = io_uring_register_buf_ring(&ring_, &registration, 0);
  if (result < 0) {
    return fail(ErrorCode::kIo, "io_uring_register_buf_ring: " + error_text(-result));
  }
  io_uring_buf_ring_init(buffer_ring_);
  for (size_t i = 0; i < limits::kReceiveBufferCount; ++i) return_buffer(static_cast<uint16_t>(i));
  return {};
}

Ring::~Ring() {
  MANA_CHECK(in_flight_ == 0);
  if (is_open_) io_uring_queue_exit(&ring_);
  if (buffers_ != nullptr) {
    ::munmap(buffers_,
             limits::kReceiveBufferCount * (limits::kReceiveBufferBytes + sizeof(io_uring_buf)));
  }
}

void Ring::log_features(Logger& log) const {
  utsname kernel{};
  ::uname(&kernel);
  log.info("io_uring", {{"kernel", static_cast<const char*>(kernel.release)},
                        {"defer_taskrun", has_defer_taskrun_},
                        {"receive_bundle", (ring_.features & kFeatureReceiveBundle) != 0},
                        {"features", ring_.features}});
}

io_uring_sqe* Ring::next_entry() {
  // The queue is full: hand it over and go on. The kernel may refuse while its completion queue
  // overflows (EBUSY) or memory is short (EAGAIN): then make room there first.
  for (int attempt = 0; attempt < kSubmitAttemptsMax; ++attempt) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    if (sqe != nullptr) return sqe;
    if (io_uring_submit(&ring_) < 0) {
      io_uring_get_events(&ring_);
      reap(early_);
    }
  }
  check_failed("io_uring takes no submissions");
}

template <class Fill>
void Ring::prepare(OpKind kind, SlotId target, Fill fill) {
  io_uring_sqe* const sqe = next_entry();
  fill(sqe);
  io_uring_sqe_set_data64(sqe, encode(kind, target));
  if (kind != OpKind::kCancel) ++in_flight_;
}

void Ring::submit_accept(SlotId target, int fd) {
  prepare(OpKind::kAccept, target, [fd](io_uring_sqe* sqe) {
    io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void Ring::submit_receive(SlotId target, int fd) {
  prepare(OpKind::kReceive, target, [fd](io_uring_sqe* sqe) {
    io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kBufferGroup;
  });
}

void Ring::submit_send(SlotId target, int fd, std::string_view bytes) {
  // The length of a submission has 32 bits; the rest goes after a short send.
  const size_t length = std::min(bytes.size(), kSendBytesMax);
  prepare(OpKind::kSend, target, [fd, bytes, length](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, fd, bytes.data(), length, MSG_NOSIGNAL);
  });
}

void Ring::submit_send_pieces(SlotId target, int fd, std::span<const iovec> pieces) {
  prepare(OpKind::kSend, target, [this, fd, pieces](io_uring_sqe* sqe) {
    if (messages_used_ == messages_.size()) messages_.push_back(std::make_unique<Message>());
    Message& message = *messages_[messages_used_++];
    message.pieces.assign(pieces.begin(), pieces.end());
    message.header = {};
    message.header.msg_iov = message.pieces.data();
    message.header.msg_iovlen = message.pieces.size();
    io_uring_prep_sendmsg(sqe, fd, &message.header, MSG_NOSIGNAL);
  });
}

void Ring::submit_poll(SlotId target, int fd, short events) {
  prepare(OpKind::kPoll, target, [fd, events](io_uring_sqe* sqe) {
    io_uring_prep_poll_add(sqe, fd, static_cast<unsigned short>(events));
  });
}

void Ring::submit_wake(SlotId target, int fd, uint64_t* value) {
  prepare(OpKind::kWake, target, [fd, value](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, fd, value, sizeof(*value), 0);
  });
}

void Ring::submit_cancel(OpKind kind, SlotId target) {
  prepare(OpKind::kCancel, target, [kind, target](io_uring_sqe* sqe) {
    io_uring_prep_cancel64(sqe, encode(kind, target), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  });
}

void Ring::submit_cancel_all() {
  prepare(OpKind::kCancel, SlotId{kNobodySlot, 0}, [](io_uring_sqe* sqe) {
    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  });
}

void Ring::submit_and_wait(std::optional<int64_t> timeout_ns) {
  int result;
  if (!early_.empty() || timeout_ns == 0) {
    result = io_uring_submit_and_get_events(&ring_);
  } else if (timeout_ns.has_value()) {
    io_uring_cqe* unused = nullptr;
    __kernel_timespec timeout{.tv_sec = *timeout_ns / 1'000'000'000,
                              .tv_nsec = *timeout_ns % 1'000'000'000};
    result = io_uring_submit_and_wait_timeout(&ring_, &unused, 1, &timeout, nullptr);
  } else {
    result = io_uring_submit_and_wait(&ring_, 1);
  }
  // The rest are passing: time is up, a signal came, or the kernel wants its completions taken
  // first. What was not submitted stays in the queue and goes with the next call.
  MANA_CHECK(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
             result == -EAGAIN);
  if (io_uring_sq_ready(&ring_) == 0) messages_used_ = 0;
}

void Ring::reap(std::vector<Completion>& out) {
  if (&out != &early_ && !early_.empty()) {
    out.insert(out.end(), early_.begin(), early_.end());
    early_.clear();
  }
  unsigned head;
  unsigned count = 0;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    const Completion& completion = out.emplace_back(decode(*cqe));
    if (completion.kind != OpKind::kCancel && !completion.more) --in_flight_;
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
}

std::string_view Ring::received(const Completion& completion) const {
  if (completion.result <= 0) return {};
  return {buffers_ + completion.buffer * limits::kReceiveBufferBytes,
          static_cast<size_t>(completion.result)};
}

void Ring::return_buffer(uint16_t buffer) {
  io_uring_buf_ring_add(buffer_ring_, buffers_ + buffer * limits::kReceiveBufferBytes,
                        limits::kReceiveBufferBytes, buffer,
                        static_cast<int>(limits::kReceiveBufferCount - 1), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

}  // namespace mana_sync::net
