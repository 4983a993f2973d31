#include "loopback_clients.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "mana_sync/base/check.h"

namespace mana_sync {
namespace {

constexpr size_t kAnswerBytesMax = 64 * 1024;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int tcp_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  MANA_CHECK(fd >= 0);
  return fd;
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

int connect_to(uint16_t port) {
  const int fd = tcp_socket();
  const sockaddr_in address = loopback(port);
  MANA_CHECK(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  set_no_delay(fd);
  return fd;
}

std::pair<int, int> connected_pair() {
  const int listening = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  MANA_CHECK(::bind(listening, raw, length) == 0);
  MANA_CHECK(::listen(listening, 1) == 0);
  MANA_CHECK(::getsockname(listening, raw, &length) == 0);
  const int client = connect_to(ntohs(address.sin_port));
  const int server = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
  MANA_CHECK(server >= 0);
  set_no_delay(server);
  ::close(listening);
  return {server, client};
}

LoopbackClients::LoopbackClients(const std::vector<int>& fds) {
  for (const int fd : fds) clients_.push_back({fd, std::string(kAnswerBytesMax, '\0')});
}

LoopbackClients::~LoopbackClients() {
  for (const Client& client : clients_) ::close(client.fd);
}

void LoopbackClients::ask(std::span<const std::string> requests) {
  MANA_CHECK(requests.size() == clients_.size());
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].received_bytes = 0;
    const ssize_t sent =
        ::send(clients_[i].fd, requests[i].data(), requests[i].size(), MSG_NOSIGNAL);
    MANA_CHECK(sent == static_cast<ssize_t>(requests[i].size()));
  }
}

bool LoopbackClients::have_answers() {
  bool all = true;
  for (Client& client : clients_) {
    if (client.has_answer()) continue;
    const ssize_t bytes = ::recv(client.fd, client.buffer.data() + client.received_bytes,
                                 client.buffer.size() - client.received_bytes, MSG_DONTWAIT);
    if (bytes > 0) client.received_bytes += static_cast<size_t>(bytes);
    if (client.answer_bytes == 0) learn_length(client);
    all = all && client.has_answer();
  }
  return all;
}

std::string_view LoopbackClients::answer(size_t client) const {
  return std::string_view(clients_[client].buffer).substr(0, clients_[client].received_bytes);
}

void LoopbackClients::expect_other_answers() {
  for (Client& client : clients_) client.answer_bytes = 0;
}

void LoopbackClients::learn_length(Client& client) {
  constexpr std::string_view kLength = "Content-Length: ";
  constexpr std::string_view kHeadEnd = "\r\n\r\n";
  const auto received = std::string_view(client.buffer).substr(0, client.received_bytes);
  const size_t head_end = received.find(kHeadEnd);
  if (head_end == std::string_view::npos) return;
  const size_t at = received.find(kLength);
  MANA_CHECK(at < head_end);
  size_t body_bytes = 0;
  std::from_chars(received.data() + at + kLength.size(), received.data() + head_end, body_bytes);
  client.answer_bytes = head_end + kHeadEnd.size() + body_bytes;
}

}  // namespace mana_sync
