#include "bare_server.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <utility>

#include "mana_sync/base/check.h"

namespace mana_sync {
namespace {

constexpr unsigned kEntries = 1'024;
constexpr unsigned kBuffers = 256;
constexpr size_t kBufferBytes = 4'096;
constexpr size_t kPageBytes = 4'096;
// In user_data beside the connection's address, which is even.
constexpr uint64_t kIsReceive = 1;

}  // namespace

BareServer::BareServer(std::string answer)
    : answer_(std::move(answer)), buffers_(kBuffers * kBufferBytes) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  MANA_CHECK(io_uring_queue_init_params(kEntries, &ring_, &params) == 0);
  io_uring_register_ring_fd(&ring_);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(
      std::aligned_alloc(kPageBytes, kBuffers * sizeof(io_uring_buf)));
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_);
  registration.ring_entries = kBuffers;
  MANA_CHECK(io_uring_register_buf_ring(&ring_, &registration, 0) == 0);
  io_uring_buf_ring_init(buffer_ring_);
  for (unsigned i = 0; i < kBuffers; ++i) return_buffer(i);
  llhttp_settings_init(&settings_);
  settings_.on_message_complete = on_message_complete;
}

BareServer::~BareServer() {
  io_uring_queue_exit(&ring_);
  for (const Connection& connection : connections_) ::close(connection.fd);
  std::free(buffer_ring_);
}

void BareServer::return_buffer(unsigned buffer) {
  io_uring_buf_ring_add(buffer_ring_, buffers_.data() + buffer * kBufferBytes, kBufferBytes,
                        static_cast<uint16_t>(buffer), io_uring_buf_ring_mask(kBuffers), 0);
  io_uring_buf_ring_advance(buffer_ring_, 1);
}

void BareServer::adopt(int fd) {
  Connection& connection = connections_.emplace_back(Connection{fd, {}, this});
  llhttp_init(&connection.parser, HTTP_REQUEST, &settings_);
  connection.parser.data = &connection;
  receive(connection);
}

void BareServer::receive(Connection& connection) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  MANA_CHECK(entry != nullptr);
  io_uring_prep_recv_multishot(entry, connection.fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&connection) | kIsReceive);
}

void BareServer::send_answer(Connection& connection) {
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  MANA_CHECK(entry != nullptr);
  io_uring_prep_send(entry, connection.fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
  io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&connection));
}

int BareServer::on_message_complete(llhttp_t* parser) {
  auto& connection = *static_cast<Connection*>(parser->data);
  connection.server->send_answer(connection);
  return 0;
}

void BareServer::handle(const io_uring_cqe& completion) {
  const uint64_t data = io_uring_cqe_get_data64(&completion);
  if ((data & kIsReceive) == 0) return;
  auto& connection = *reinterpret_cast<Connection*>(data & ~kIsReceive);
  if (completion.res > 0) {
    const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    MANA_CHECK(llhttp_execute(&connection.parser, buffers_.data() + buffer * kBufferBytes,
                              static_cast<size_t>(completion.res)) == HPE_OK);
    return_buffer(buffer);
  }
  const bool goes_on = (completion.flags & IORING_CQE_F_MORE) != 0;
  if (!goes_on && completion.res != 0) receive(connection);
}

void BareServer::run_until(const std::function<bool()>& done) {
  for (bool is_done = false; !is_done;) {
    io_uring_cqe* completion = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, completion) {
      handle(*completion);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    is_done = done();
    if (is_done) {
      io_uring_submit_and_get_events(&ring_);
    } else {
      io_uring_submit_and_wait(&ring_, 1);
    }
  }
}

}  // namespace mana_sync
