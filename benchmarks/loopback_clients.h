// The other end of a server's connections, on the same thread: raw sockets over 127.0.0.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mana_sync {

// A connected descriptor. Whoever calls owns what these return.
[[nodiscard]] int connect_to(uint16_t port);
// Both ends of a connection: the server's, the client's.
[[nodiscard]] std::pair<int, int> connected_pair();

// Each client has at most one request under way. Takes two system calls a request, or a few more
// where an answer is not there at once; allocates nothing.
class LoopbackClients {
 public:
  // Owns the descriptors.
  explicit LoopbackClients(const std::vector<int>& fds);
  ~LoopbackClients();
  LoopbackClients(const LoopbackClients&) = delete;
  LoopbackClients& operator=(const LoopbackClients&) = delete;

  [[nodiscard]] size_t count() const { return clients_.size(); }
  // Sends each client's request.
  void ask(std::span<const std::string> requests);
  // Reads what is there; true: each client has its whole answer.
  [[nodiscard]] bool have_answers();
  // The last one that the client got.
  [[nodiscard]] std::string_view answer(size_t client) const;
  // Forgets how long answers are, which is learnt from each client's first.
  void expect_other_answers();

 private:
  struct Client {
    int fd;
    std::string buffer;
    size_t received_bytes = 0;
    size_t answer_bytes = 0;  // 0: not known yet
    [[nodiscard]] bool has_answer() const {
      return answer_bytes != 0 && received_bytes == answer_bytes;
    }
  };
  static void learn_length(Client& client);

  std::vector<Client> clients_;
};

}  // namespace mana_sync
