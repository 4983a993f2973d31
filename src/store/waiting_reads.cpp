#include "waiting_reads.h"

#include <algorithm>
#include <utility>

namespace mana_sync::store {

void WaitingReads::push_back(Pointer read) {
  find_or_add(read->stream.user_id, users_.end())->reads.push_back(std::move(read));
  ++size_;
}

void WaitingReads::push_front(Pointer read) {
  const auto user = find_or_add(read->stream.user_id, users_.begin());
  users_.splice(users_.begin(), users_, user);
  user->reads.push_front(std::move(read));
  ++size_;
}

WaitingReads::Pointer WaitingReads::take(absl::FunctionRef<bool(const SharedText& user)> user_may,
                                         absl::FunctionRef<bool(const Read& read)> read_may) {
  for (auto user = users_.begin(); user != users_.end();) {
    if (!user_may(user->id)) {
      ++user;
      continue;
    }
    const auto found = std::ranges::find_if(
        user->reads, [&](const Pointer& read) { return read->done != nullptr && read_may(*read); });
    if (found == user->reads.end()) {
      ++user;
      continue;
    }
    Pointer taken = std::move(*found);
    user->reads.erase(found);
    --size_;
    if (user->reads.empty()) {
      erase(user);
    } else {
      users_.splice(users_.end(), users_, user);
    }
    return taken;
  }
  return nullptr;
}

void WaitingReads::for_each(absl::FunctionRef<void(const Pointer&)> visit) const {
  for (const User& user : users_) std::ranges::for_each(user.reads, visit);
}

void WaitingReads::drop_told() {
  for (auto user = users_.begin(); user != users_.end();) {
    size_ -= std::erase_if(user->reads, [](const Pointer& read) { return !read->done; });
    user = user->reads.empty() ? erase(user) : std::next(user);
  }
}

size_t WaitingReads::size_of(const SharedText& user) const {
  const auto found = by_id_.find(user);
  return found == by_id_.end() ? 0 : found->second->reads.size();
}

WaitingReads::Users::iterator WaitingReads::find_or_add(const SharedText& user,
                                                        Users::iterator place) {
  if (const auto found = by_id_.find(user); found != by_id_.end()) return found->second;
  const auto added = users_.insert(place, User{user, {}});
  by_id_.emplace(user, added);
  return added;
}

WaitingReads::Users::iterator WaitingReads::erase(Users::iterator user) {
  by_id_.erase(user->id);
  return users_.erase(user);
}

}  // namespace mana_sync::store
