// Reads that wait to be sent, in the order in which they are.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "mana_sync/base/result.h"
#include "mana_sync/base/shared_text.h"
#include "mana_sync/sync/store_port.h"
#include "pg_connection.h"

namespace mana_sync::store {

struct Read {
  using Done = std::move_only_function<void(Result<std::span<const PgResult>>)>;

  sync::StreamName stream;
  std::vector<Call> calls;
  Done done;  // empty once told
  int64_t deadline_ns = 0;
};

// User by user in turn, one read at a time: who asks for much waits behind nobody but himself.
// One thread.
class WaitingReads {
 public:
  using Pointer = std::shared_ptr<Read>;

  void push_back(Pointer read);
  // Before all others of its user, whose turn is next.
  void push_front(Pointer read);
  // Removes the next one whose user and which itself may be sent, and which was not told meanwhile;
  // nullptr: there is none.
  [[nodiscard]] Pointer take(absl::FunctionRef<bool(const SharedText& user)> user_may,
                             absl::FunctionRef<bool(const Read& read)> read_may);

  void for_each(absl::FunctionRef<void(const Pointer&)> visit) const;
  // Drops those that were told meanwhile.
  void drop_told();

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t size_of(const SharedText& user) const;

 private:
  struct User {
    SharedText id;
    std::deque<Pointer> reads;  // never empty
  };
  using Users = std::list<User>;

  [[nodiscard]] Users::iterator find_or_add(const SharedText& user, Users::iterator place);
  Users::iterator erase(Users::iterator user);

  Users users_;  // the next one first
  absl::flat_hash_map<SharedText, Users::iterator> by_id_;
  size_t size_ = 0;
};

}  // namespace mana_sync::store
