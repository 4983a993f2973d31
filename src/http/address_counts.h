// How many connections each address has.
#pragma once

#include <absl/container/node_hash_map.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace mana_sync::http {

// An address is an IPv4 address, or the /64 of an IPv6 one: that much any single subscriber has.
// Holds an entry for each address with a connection. One thread.
class AddressCounts {
  struct Entry {
    AddressCounts* counts;
    uint64_t key;
    size_t connections = 0;
  };

 public:
  // One connection of an address, counted as long as this lives. REQUIRES: destroyed before the
  // AddressCounts.
  class Share {
   public:
    Share() = default;  // counts nothing
    Share(Share&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Share();
    // The address's connections, this one among them; 0 if nothing is counted.
    [[nodiscard]] size_t connections() const { return entry_ == nullptr ? 0 : entry_->connections; }

   private:
    friend class AddressCounts;
    explicit Share(Entry& entry) : entry_(&entry) { ++entry.connections; }
    Entry* entry_ = nullptr;
  };

  [[nodiscard]] Share count(const sockaddr_storage& address);
  // That of the peer of a connected socket. One that is gone already counts nothing.
  [[nodiscard]] Share count_peer(int fd);

  // Addresses with a connection.
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  // An entry's place stays where it is.
  absl::node_hash_map<uint64_t, Entry> entries_;
};

}  // namespace mana_sync::http
